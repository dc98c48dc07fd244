import tomllib

from hypothesis import given
from hypothesis import strategies as st

from asdstream.toml_lines import key_lines

TEXT = '''
a = 1  # [not.a.table]
b.c = "x"
text = """
[nor.this]
k = 1 """
list = [  # one
  1,
  {x = 2, "y z" = [3,
    4]},
]
[t]
'quoted.key' = 'it "is"'
[t.u]
when = 2020-01-01 00:00:00
[[many]]
id = 1
[[many.inner]]
z = 1
[many.inner.deep]
q = 1
[[many]]
id = "]"
'''


def test_every_key_has_the_line_it_stands_on() -> None:
    tomllib.loads(TEXT)
    assert key_lines(TEXT) == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 3,
        ("text",): 4,
        ("list",): 7,
        ("list", 0): 8,
        ("list", 1): 9,
        ("list", 1, "x"): 9,
        ("list", 1, "y z"): 9,
        ("list", 1, "y z", 0): 9,
        ("list", 1, "y z", 1): 10,
        ("t",): 12,
        ("t", "quoted.key"): 13,
        ("t", "u"): 14,
        ("t", "u", "when"): 15,
        ("many",): 16,
        ("many", 0): 16,
        ("many", 0, "id"): 17,
        ("many", 0, "inner"): 18,
        ("many", 0, "inner", 0): 18,
        ("many", 0, "inner", 0, "z"): 19,
        ("many", 0, "inner", 0, "deep"): 20,
        ("many", 0, "inner", 0, "deep", "q"): 21,
        ("many", 1): 22,
        ("many", 1, "id"): 23,
    }


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {(*path, key) for key, _ in inner} | {deep for key, part in inner for deep in paths(part, (*path, key))}


TOKENS = [
    "a",
    "b",
    " = ",
    "=",
    "1",
    '"x"',
    "'y'",
    '"""',
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "\n",
    " ",
    "#",
    "\\",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_whatever_the_parser_takes_is_found(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(key_lines(text)) == paths(data)


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\nb = 2\r\n") == {("a",): 1, ("b",): 2}
