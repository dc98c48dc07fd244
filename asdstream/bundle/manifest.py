"""bundle.json: what it may say, and that its parts refer to each other."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationError,
)

from asdstream.bundle.contents import ANY_TYPE, MOST_LOUDNESS, Pooling
from asdstream.bundle.errors import listing, refuse
from asdstream.bundle.files import MANIFEST, NAME, check_names

SCHEMA = "asd.bundle/1"
SAMPLE_RATE = 16_000
WINDOW_SECONDS = 10.0
MAX_MANIFEST_BYTES = 4 << 20

Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
AnyName = Annotated[str, StringConstraints(pattern=rf"^(?:\*|{NAME})$")]
"""A machine type, or all without an entry of their own."""


class Strict(BaseModel):
    """Nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class NetworkEntry(Strict):
    """A network: kind, configuration, and the file of its weights, relative to the bundle."""

    kind: Name
    config: dict[str, JsonValue]
    weights: str


class DecoderEntry(Strict):
    """An encoder's decoder: configuration, and the file of its weights, relative to the bundle."""

    config: dict[str, JsonValue]
    weights: str


class EncoderEntry(NetworkEntry):
    """An encoder, and the decoder that was trained with it, if it came along."""

    decoder: DecoderEntry | None = None


class _BranchEntry(Strict):
    name: Name
    loudness: Annotated[float, Field(ge=0, le=MOST_LOUDNESS)] = 0.0


class PooledBranchEntry(_BranchEntry):
    """A branch of one encoder."""

    encoder: Name
    pooling: Pooling

    @property
    def encoders(self) -> list[str]:
        """As a fused branch has them."""
        return [self.encoder]


class _FusedBranchEntry(_BranchEntry):
    encoders: Annotated[list[Name], Field(min_length=2, max_length=2)]
    pooling: Pooling = "mean"


class MeanBranchEntry(_FusedBranchEntry):
    """A branch of two encoders without weights of its own (System-4)."""

    fusion: Literal["mean"]


class AttentiveBranchEntry(_FusedBranchEntry):
    """A branch of two encoders with an attention of its own (System-3)."""

    fusion: Literal["attentive", "attentive-statistics"]
    attention_dim: Annotated[int, Field(ge=1, le=4096)]
    weights: str


def _fusion(branch: Any) -> str:
    fusion = branch.get("fusion", "pooled") if isinstance(branch, dict) else "pooled"
    if not isinstance(fusion, str):
        return "unknown"
    return "attentive" if fusion.startswith("attentive") else fusion


BranchEntry = Annotated[
    Annotated[PooledBranchEntry, Tag("pooled")]
    | Annotated[MeanBranchEntry, Tag("mean")]
    | Annotated[AttentiveBranchEntry, Tag("attentive")],
    Discriminator(_fusion),
]


class MachineTypeEntry(Strict):
    """The file of a machine type's prototypes, and its calibration."""

    prototypes: str
    calibration: dict[str, JsonValue] | None
    separated: bool = False


class Manifest(Strict):
    """The whole of bundle.json."""

    schema_: str = Field(alias="schema")
    name: Name
    created: Annotated[AwareDatetime, Field(strict=False)]
    trainer_version: Annotated[str, StringConstraints(max_length=64)]
    licence_notes: list[Annotated[str, StringConstraints(max_length=4000)]]
    sample_rate: int
    window_seconds: float
    encoders: dict[Name, EncoderEntry]
    branches: list[BranchEntry]
    separators: dict[AnyName, NetworkEntry] = {}
    machine_types: dict[Name, MachineTypeEntry]
    files: dict[str, str]

    @property
    def used(self) -> list[str]:
        """Every file that a part names, as often as it does."""
        return [
            *(entry.weights for entry in self.encoders.values()),
            *(entry.decoder.weights for entry in self.encoders.values() if entry.decoder is not None),
            *(branch.weights for branch in self.branches if isinstance(branch, AttentiveBranchEntry)),
            *(entry.weights for entry in self.separators.values()),
            *(entry.prototypes for entry in self.machine_types.values()),
        ]


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """The manifest of the bundle in the folder `path`, consistent in itself, and its SHA-256."""
    file = path / MANIFEST
    if file.is_symlink() or not file.is_file():
        refuse(path, f"{MANIFEST} is missing, so this is not a bundle")
    with file.open("rb") as stream:
        data = stream.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        refuse(path, f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        raw = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        refuse(path, f"{MANIFEST} is not valid JSON ({error})", error)
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        refuse(
            path,
            f"{MANIFEST} has schema {str(schema)[:40]!r} where this version of asdstream reads {SCHEMA!r}: "
            "export it again with the matching trainer",
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        refuse(path, f"{MANIFEST}: {where}: {first['msg'][:400]}", error)
    _check(path, manifest)
    return manifest, hashlib.sha256(data).hexdigest()


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return values


def _check(path: Path, manifest: Manifest) -> None:
    if manifest.sample_rate != SAMPLE_RATE or manifest.window_seconds != WINDOW_SECONDS:
        refuse(
            path,
            f"it was made for {manifest.window_seconds:g} s windows at {manifest.sample_rate} Hz; "
            f"this version of asdstream works with {WINDOW_SECONDS:g} s at {SAMPLE_RATE} Hz",
        )
    _check_branches(path, manifest)
    check_names(path, manifest.files)
    for file, uses in Counter(manifest.used).items():
        if file not in manifest.files:
            refuse(path, f"{MANIFEST}: {file[:80]!r} is used but not listed in files with its SHA-256")
        if uses > 1:
            refuse(path, f"{MANIFEST}: {file!r} is used twice")
    drawing = [name for name, entry in manifest.encoders.items() if entry.decoder is not None]
    if len(drawing) > 1:
        refuse(path, f"{MANIFEST}: encoders {listing(sorted(drawing))} have a decoder each; at most one is expected")
    for name, machine_type in manifest.machine_types.items():
        if machine_type.separated and not manifest.separators.keys() & {name, ANY_TYPE}:
            refuse(path, f"{MANIFEST}: machine type {name!r} was fitted on separated sound; no separator serves it")


def _check_branches(path: Path, manifest: Manifest) -> None:
    if not manifest.branches:
        refuse(path, f"{MANIFEST}: branches is empty; at least one is needed")
    for name, count in Counter(branch.name for branch in manifest.branches).items():
        if count > 1:
            refuse(path, f"{MANIFEST}: branch {name!r} is there twice")
    for branch in manifest.branches:
        for encoder in branch.encoders:
            if encoder not in manifest.encoders:
                known = listing(manifest.encoders)
                refuse(path, f"{MANIFEST}: branch {branch.name!r} names encoder {encoder!r}; there is {known}")
        kinds = [manifest.encoders[encoder].kind for encoder in branch.encoders]
        if not isinstance(branch, PooledBranchEntry) and kinds != ["beats", "audiomae"]:
            refuse(
                path,
                f"{MANIFEST}: branch {branch.name!r} fuses encoders of kinds {listing(kinds)}; "
                "beats, then audiomae is expected",
            )
