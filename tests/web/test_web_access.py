from pathlib import Path

import pytest

from asdstream.web import users as users_room
from asdstream.web.rate_limit import MOST_KEYS, RateLimit
from asdstream.web.sessions import MOST_SESSIONS, Sessions
from asdstream.web.users import Users, UsersError, read_users, user_line


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_room, "_LOG_N", 10)


def written(path: Path, *lines: str) -> Path:
    file = path / "users"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.usefixtures("quick_hashes")
def test_a_user_gets_in_with_the_right_password_alone(tmp_path: Path) -> None:
    lines = user_line("ann", "correct horse"), user_line("Jörg K.", "grün-weiß 1848")
    users = read_users(written(tmp_path, "# the shift leaders", "", *lines))
    assert users.fits("ann", "correct horse")
    assert users.fits("Jörg K.", "grün-weiß 1848")
    assert not users.fits("ann", "grün-weiß 1848")
    assert not users.fits("nobody", "correct horse")
    assert not users.fits("ann", "")


@pytest.mark.usefixtures("quick_hashes")
def test_the_same_password_is_kept_differently_each_time_and_never_as_it_is() -> None:
    first, second = user_line("ann", "correct horse"), user_line("ann", "correct horse")
    assert first != second
    assert "correct" not in first


def test_a_password_costs_32_mib_to_try() -> None:
    name, kind, log_n, r, p = user_line("ann", "correct horse").split(":")[:5]
    assert (name, kind) == ("ann", "scrypt")
    assert 128 * 2 ** int(log_n) * int(r) * int(p) == 32 * 2**20


@pytest.mark.parametrize(
    ("name", "password", "sentence"),
    [
        ("ann", "short", "8 to 1024 characters"),
        ("ann:admin", "correct horse", "a user is named"),
        ("a" * 65, "correct horse", "a user is named"),
        ("ann\nben", "correct horse", "a user is named"),
        ("", "correct horse", "a user is named"),
    ],
)
def test_who_cannot_be_a_user_is_said(name: str, password: str, sentence: str) -> None:
    with pytest.raises(UsersError, match=sentence):
        user_line(name, password)


@pytest.mark.parametrize(
    "line",
    [
        "ann:correct horse",
        "ann:scrypt:15:8:1:AAAA",
        "ann:scrypt:40:8:1:c2FsdHNhbHQ=:" + "QUFB" * 11,
        "ann:scrypt:x:8:1:c2FsdHNhbHQ=:" + "QUFB" * 11,
        "ann:scrypt:15:8:1:c2FsdHNhbHQ=:not base64!",
        "<b>:scrypt:15:8:1:c2FsdHNhbHQ=:" + "QUFB" * 11,
    ],
)
def test_a_line_that_names_no_user_is_told_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsersError, match=r"users:2: no user; make the line with: asdstream dashboard --new-user NAME"):
        read_users(written(tmp_path, "# users", line))


def test_a_file_without_users_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsersError, match="names nobody"):
        read_users(written(tmp_path, "# nobody yet"))
    (tmp_path / "users").write_bytes(b"\xff\xfe")
    with pytest.raises(UsersError, match="not UTF-8"):
        read_users(tmp_path / "users")
    with pytest.raises(UsersError, match="cannot read"):
        read_users(tmp_path / "nowhere")


def test_an_unknown_name_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(users_room, "_scrypt", lambda *arguments: tried.append(1 << arguments[2]) or b"x" * 32)
    users = Users({})
    assert not users.fits("nobody", "correct horse")
    assert tried == [1 << 15]


def test_a_session_lasts_until_it_is_ended_or_its_time_is_up() -> None:
    clock = Clock()
    sessions = Sessions(100.0, clock)
    token = sessions.begin("ann")
    assert len(token) >= 43
    assert sessions.user(token) == "ann"
    assert sessions.user(token + "x") is None
    assert sessions.user("") is None
    clock.now += 99.0
    assert sessions.user(token) == "ann"
    clock.now += 1.0
    assert sessions.user(token) is None
    other = sessions.begin("ben")
    sessions.end(other)
    assert sessions.user(other) is None


def test_there_are_at_most_so_many_sessions() -> None:
    sessions = Sessions(clock=Clock())
    tokens = [sessions.begin("ann") for _ in range(MOST_SESSIONS + 1)]
    assert sessions.user(tokens[0]) is None
    assert sessions.user(tokens[1]) == "ann"
    assert sessions.user(tokens[-1]) == "ann"


def test_each_address_has_its_own_limit() -> None:
    clock = Clock()
    limit = RateLimit(0.1, 3, all_per_second=100.0, all_burst=100, clock=clock)
    assert [limit.take("one") for _ in range(4)] == [True, True, True, False]
    assert limit.take("two")
    clock.now += 10.0
    assert [limit.take("one"), limit.take("one")] == [True, False]


def test_many_addresses_together_have_a_limit_too_and_fill_no_memory() -> None:
    clock = Clock()
    limit = RateLimit(0.1, 3, all_per_second=0.1, all_burst=20, clock=clock)
    taken = sum(limit.take(f"10.0.{number // 256}.{number % 256}") for number in range(3 * MOST_KEYS))
    assert taken == 20
