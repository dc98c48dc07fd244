"""What tells one set of recordings from another."""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from trainer.sound import Recording

HEAD_BYTES = 1 << 16


def file_identity(path: Path) -> str:
    """Size and a hash of the first 64 KiB: cheap over thousands of files, and enough to notice another data set."""
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
    return f"{path.stat().st_size}:{head[:16]}"


@cache
def package_identity(package: str) -> str:
    """A hash of the source files of `package`: sound that is computed changes with them."""
    folder = Path(str(resources.files(package)))
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def data_fingerprint(recordings: Iterable[Recording]) -> str:
    """One hash over names and identities, whatever their order."""
    lines = sorted(f"{recording.name}\t{recording.identity}" for recording in recordings)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
