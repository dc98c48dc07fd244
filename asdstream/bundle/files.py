"""The files of a bundle: all of them, none beside them, each read once and hashed as read."""

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from asdstream.bundle.errors import refuse

MANIFEST = "bundle.json"
MAX_WEIGHTS_BYTES = 2 << 30
"""Per file; the base encoder in float32 is 0.34 GB."""
MAX_ENTRIES = 10_000
"""Files and folders in a bundle."""

NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
"""What may name a part of a bundle, and each part of a file's path in it."""
_FILE_NAME = re.compile(rf"(?:{NAME}/){{0,2}}{NAME}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED_DTYPES = (torch.float32, torch.float16)


def check_names(path: Path, files: Mapping[str, str]) -> None:
    """Refuse a name that leaves the folder and a hash that is none."""
    for file, digest in files.items():
        if file == MANIFEST or not _FILE_NAME.fullmatch(file):
            refuse(path, f"{MANIFEST}: files: {file[:80]!r} is not the name of a file inside the bundle")
        if not _SHA256.fullmatch(digest):
            refuse(path, f"{MANIFEST}: files: {file!r} has no SHA-256 of 64 lower-case hexadecimal digits")


def check_present(path: Path, listed: Collection[str]) -> None:
    """Refuse a folder that holds less or more than the manifest and the files it lists, and links."""
    present: set[str] = set()
    for count, entry in enumerate(path.rglob("*")):
        if count >= MAX_ENTRIES:
            refuse(path, f"it holds more than {MAX_ENTRIES} files and folders, which no bundle does")
        name = entry.relative_to(path).as_posix()
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            refuse(path, f"{name} is a link or special file; a bundle holds plain files only")
        if entry.is_file():
            present.add(name)
    for name in sorted(set(listed) - present):
        refuse(path, f"{name} is missing; {MANIFEST} lists it")
    for name in sorted(present - set(listed) - {MANIFEST}):
        refuse(path, f"{name} is not listed in {MANIFEST}: remove it or export the bundle again")


def read_file(path: Path, file: str, sha256: str) -> bytes:
    """The verified bytes of `file`: what is hashed is what is used."""
    try:
        with (path / file).open("rb") as stream:
            data = stream.read(MAX_WEIGHTS_BYTES + 1)
    except OSError as error:
        refuse(path, f"{file} cannot be read: {error.strerror}", error)
    if len(data) > MAX_WEIGHTS_BYTES:
        refuse(path, f"{file} is larger than {MAX_WEIGHTS_BYTES} bytes")
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        refuse(
            path,
            f"{file} has SHA-256 {digest[:12]}... where {MANIFEST} says {sha256[:12]}...: "
            "it was damaged or changed, copy or export the bundle again",
        )
    return data


def read_tensors(path: Path, file: str, sha256: str) -> dict[str, Tensor]:
    """The verified tensors of `file`, finite, each float32 or float16."""
    data = read_file(path, file, sha256)
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, RuntimeError, KeyError, MemoryError) as error:
        refuse(path, f"{file} is not a safetensors file ({str(error)[:120]})", error)
    for key, tensor in tensors.items():
        if tensor.dtype not in _STORED_DTYPES:
            stored = str(tensor.dtype).removeprefix("torch.")
            refuse(path, f"{file}: {key[:80]} is {stored}; float32 or float16 is expected")
        if not bool(torch.isfinite(tensor).all()):
            refuse(path, f"{file}: {key[:80]} holds NaN or infinite numbers")
    return tensors
