"""The file that a picture is written to."""

from collections.abc import Collection
from pathlib import Path

from asdstream import atomic
from asdstream.config import ConfigError
from asdstream.errors import AsdstreamError


class PictureFileError(AsdstreamError):
    """The disk does not take the picture."""


def check_picture_file(path: Path, kinds: Collection[str]) -> None:
    """Refuse, before the work whose outcome it would show, a file of another kind (such as ".png") or without a folder.

    Raises ConfigError, which names the option --picture.
    """
    if path.suffix.lower() not in kinds:
        raise ConfigError(f"--picture {path}: the name should end with {' or '.join(kinds)}")
    if not path.parent.is_dir():
        raise ConfigError(f"--picture {path}: the folder {path.parent} does not exist")


def write_picture_file(path: Path, content: bytes) -> None:
    """Write it whole or not at all. Raises PictureFileError."""
    try:
        atomic.write_bytes(path, content)
    except OSError as error:
        raise PictureFileError(f"--picture {path}: it cannot be written: {error.strerror or error}") from error
