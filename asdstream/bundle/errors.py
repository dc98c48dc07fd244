"""How a bundle is refused."""

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from asdstream.errors import AsdstreamError


class BundleError(AsdstreamError):
    """A bundle that is damaged, incomplete, or of another version."""


def refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    """Raise the BundleError that says `what` is wrong with the bundle at `path`."""
    raise BundleError(f"bundle {path}: {what}") from cause


def listing(names: Iterable[str]) -> str:
    """Names for a sentence."""
    return ", ".join(names) or "none"
