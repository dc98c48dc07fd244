"""A file that a command writes because an option names it."""

import os
from collections.abc import Collection
from pathlib import Path

from asdstream import atomic
from asdstream.config import ConfigError
from asdstream.errors import AsdstreamError


class OutputFileError(AsdstreamError):
    """The disk does not take the file."""


class OutputFile:
    """The file `path` that `option` names, such as "--json"; checked before the work whose outcome it will hold.

    Raises ConfigError where it is of another kind than `kinds` (such as ".png"; empty: any), has no folder, or is none
    that can be replaced.

    Example:
        output = OutputFile("--json", Path("figures.json"))
        output.write(b"{}")
    """

    def __init__(self, option: str, path: Path, kinds: Collection[str] = ()) -> None:
        self._told = f"{option} {path}"
        self._path = path
        problem = _problem(path, kinds)
        if problem is not None:
            raise ConfigError(f"{self._told}: {problem}")

    def write(self, content: bytes, mode: int = 0o644) -> None:
        """Write it whole or not at all. Raises OutputFileError."""
        try:
            atomic.write_bytes(self._path, content, mode)
        except OSError as error:
            raise OutputFileError(f"{self._told}: it cannot be written: {error.strerror or error}") from error


def _problem(path: Path, kinds: Collection[str]) -> str | None:
    if kinds and path.suffix.lower() not in kinds:
        return f"the name should end with {' or '.join(kinds)}"
    try:
        if not path.parent.is_dir():
            return f"the folder {path.parent} does not exist"
        if path.exists() and not path.is_file():
            return "it is there already and no file; name another"
    except OSError as error:
        return f"it cannot be written: {error.strerror}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"this user may not write to the folder {path.parent}"
    return None
