"""Where each key of a TOML text stands: `tomllib` gives values without lines, and a user needs the line.

The scanner assumes text that `tomllib` has already accepted, so it looks for structure only and checks nothing.
"""

import re
import tomllib

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}' r"|'''(?:[^']|'(?!''))*'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_PLAIN_VALUE = re.compile(r"[^,\]\}\n#]*")


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._key_and_value(table)
            self._skip(_BLANK)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)

    def _header(self) -> KeyPath:
        line = self._line()
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        names = self._dotted_key()
        self.at += 2 if is_array else 1
        table: KeyPath = ()
        for position, name in enumerate(names):
            table = (*table, name)
            self._note(table, line)
            if table in self.array_lengths or (is_array and position == len(names) - 1):
                if is_array and position == len(names) - 1:
                    self.array_lengths[table] = self.array_lengths.get(table, 0) + 1
                table = (*table, self.array_lengths[table] - 1)
                self._note(table, line)
        return table

    def _dotted_key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                # A quoted key is a TOML string; let tomllib resolve its escapes.
                names.append(tomllib.loads("key = " + self._skip(_STRING))["key"])
            else:
                names.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _key_and_value(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for name in self._dotted_key():
            path = (*path, name)
            self._note(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        opening = self.text[self.at]
        if opening in "\"'":
            self._skip(_STRING)
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_PLAIN_VALUE)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        self._skip(_BLANK)
        while not self.text.startswith("]", self.at):
            self._note((*path, index), self._line())
            self._value((*path, index))
            index += 1
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
                self._skip(_BLANK)
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        self._skip(_BLANK)
        while not self.text.startswith("}", self.at):
            self._key_and_value(path)
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
                self._skip(_BLANK)
        self.at += 1


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every table, key and array element of a valid TOML text.

    Elements of arrays, and the tables of an array of tables, are counted from 0: `("channels", 0, "id")`.
    """
    return _Scanner(text).scan()
