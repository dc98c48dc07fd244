"""What the trainer hands over: one folder holding encoders, prototypes and calibration, checked whole before use.

    bundle.json             manifest, schema `asd.bundle/1`
    weights/*.safetensors   one file per encoder, one per machine type

A bundle may come from anywhere, so nothing in it is believed: no pickle, no path that leaves the folder, no file that
the manifest does not list, no tensor that the configured network does not have.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from torch import Tensor, nn

import asdstream
from asdstream import atomic
from asdstream.errors import AsdstreamError
from asdstream.models.checkpoint import shapes_only

SCHEMA = "asd.bundle/1"
MANIFEST = "bundle.json"
BUILTIN = "builtin:"
SAMPLE_RATE = 16_000
WINDOW_SECONDS = 10.0

MAX_MANIFEST_BYTES = 4 << 20
MAX_WEIGHTS_BYTES = 2 << 30
"""Per file; the base encoder in float32 is 0.34 GB."""
MAX_ENTRIES = 10_000
"""Files and folders in a bundle."""
MAX_PROTOTYPES = 100_000
"""Per machine type, branch and domain; the method uses 16 and 10."""
_CONFIG_LIMITS = {"depth": 64, "heads": 64, "embed_dim": 4096, "frames": 8192, "mels": 512, "patch": 128}
"""The network is laid out before its weights are compared with it, so a hostile configuration must stay small."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
_FILE_NAME = re.compile(rf"(?:{_NAME}/){{0,2}}{_NAME}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED_DTYPES = (torch.float32, torch.float16)

Name = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]


class BundleError(AsdstreamError):
    """A bundle that is damaged, incomplete, or of another version."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One embedding per window: the tokens of `encoder`, pooled by `pooling`."""

    name: str
    encoder: str
    pooling: Literal["mean"] = "mean"


@dataclass(frozen=True, slots=True, eq=False)
class BranchPrototypes:
    """Embeddings of normal sound in one branch: `source` (S, D), KMeans centroids, and `target` (T, D), both float32.

    They need not have unit length; T may be 0.
    """

    source: NDArray[np.float32]
    target: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MachineType:
    """What is known of normal sound of one machine type: prototypes by branch, and the fitted calibration, if any.

    `calibration` is what `asdstream.scoring.calibration.Calibration.to_dict` returns.
    """

    prototypes: Mapping[str, BranchPrototypes]
    calibration: Mapping[str, JsonValue] | None


@dataclass(frozen=True, slots=True, eq=False)
class EncoderContents:
    """A network to be put into a bundle: its kind (`audiomae`), configuration and state dict."""

    kind: str
    config: Mapping[str, JsonValue]
    weights: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class BundleContents:
    """Everything that `save` writes. `created` is now where it is None."""

    name: str
    trainer_version: str
    licence_notes: tuple[str, ...]
    encoders: Mapping[str, EncoderContents]
    branches: tuple[Branch, ...]
    machine_types: Mapping[str, MachineType]
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """An encoder as the manifest describes it; `weights` is relative to the bundle."""

    kind: str
    config: Mapping[str, JsonValue]
    weights: str


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that has been verified. `sha256` is that of its manifest, which holds those of all other files."""

    path: Path
    sha256: str
    name: str
    created: datetime
    trainer_version: str
    licence_notes: tuple[str, ...]
    sample_rate: int
    window_seconds: float
    encoders: Mapping[str, EncoderEntry]
    branches: tuple[Branch, ...]
    machine_types: Mapping[str, MachineType]
    files: Mapping[str, str]

    def build_encoder(self, name: str) -> nn.Module:
        """Make the encoder `name`, on the CPU, in float32 and evaluation mode.

        The weights are read and verified again, so a bundle replaced since it was loaded gives a BundleError and
        never half of each.
        """
        if name not in self.encoders:
            raise BundleError(f"bundle {self.path} has no encoder {name!r}; it has {_listing(self.encoders)}")
        entry = self.encoders[name]
        weights = _read_tensors(self.path, entry.weights, self.files[entry.weights])
        # Laid out without memory first: initial values that the weights replace would cost seconds at the base size.
        with shapes_only():
            encoder = _layout(self.path, name, entry.kind, entry.config)()
        encoder.load_state_dict({key: tensor.float() for key, tensor in weights.items()}, strict=True, assign=True)
        return encoder.eval().requires_grad_(requires_grad=False)

    def embedding_size(self, branch: str) -> int:
        """D of the embeddings of `branch`."""
        for candidate in self.branches:
            if candidate.name == branch:
                return _width(self.encoders[candidate.encoder].config)
        raise BundleError(
            f"bundle {self.path} has no branch {branch!r}; it has {_listing(b.name for b in self.branches)}"
        )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _ManifestEncoder(_Strict):
    kind: Name
    config: dict[str, JsonValue]
    weights: str


class _ManifestBranch(_Strict):
    name: Name
    encoder: Name
    pooling: Literal["mean"]


class _ManifestMachineType(_Strict):
    prototypes: str
    calibration: dict[str, JsonValue] | None


class _Manifest(_Strict):
    schema_: str = Field(alias="schema")
    name: Name
    created: Annotated[AwareDatetime, Field(strict=False)]
    trainer_version: Annotated[str, StringConstraints(max_length=64)]
    licence_notes: list[Annotated[str, StringConstraints(max_length=4000)]]
    sample_rate: int
    window_seconds: float
    encoders: dict[Name, _ManifestEncoder]
    branches: list[_ManifestBranch]
    machine_types: dict[Name, _ManifestMachineType]
    files: dict[str, str]


def resolve(reference: str, base: Path | None = None) -> Path:
    """Turn what a configuration says into a folder: `builtin:<name>` ships with the package, the rest is a path.

    A relative path is taken from `base`, or from the working directory where that is None.
    """
    if not reference.startswith(BUILTIN):
        path = Path(reference).expanduser()
        return path if base is None else base / path
    folder = Path(str(resources.files(asdstream))) / "bundles"
    name = reference.removeprefix(BUILTIN)
    if re.fullmatch(_NAME, name) and (folder / name / MANIFEST).is_file():
        return folder / name
    present = _listing(sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")))
    raise BundleError(f"no bundle named {reference!r} ships with this installation; it has {present}")


def load(path: Path) -> Bundle:
    """Read the bundle in the folder `path` and verify all of it: schema, hashes, files, tensors.

    Raises BundleError with one sentence that says what is wrong and where.
    """
    if not path.is_dir():
        raise BundleError(f"bundle {path}: there is no such folder")
    manifest, sha256 = _read_manifest(path)
    _check_manifest(path, manifest)
    _check_listing(path, manifest)
    encoders = {
        name: EncoderEntry(entry.kind, entry.config, entry.weights) for name, entry in manifest.encoders.items()
    }
    used = {entry.weights for entry in encoders.values()} | {m.prototypes for m in manifest.machine_types.values()}
    for file in sorted(manifest.files.keys() - used):
        _read_file(path, file, manifest.files[file])
    for name, entry in encoders.items():
        weights = _read_tensors(path, entry.weights, manifest.files[entry.weights])
        _check_weights(path, entry.weights, _expected_shapes(path, name, entry.kind, entry.config), weights)
        del weights
    branches = tuple(Branch(branch.name, branch.encoder, branch.pooling) for branch in manifest.branches)
    widths = {branch.name: _width(encoders[branch.encoder].config) for branch in branches}
    machine_types = {
        name: MachineType(
            _prototypes(path, entry.prototypes, manifest.files[entry.prototypes], widths), entry.calibration
        )
        for name, entry in manifest.machine_types.items()
    }
    return Bundle(
        path=path,
        sha256=sha256,
        name=manifest.name,
        created=manifest.created,
        trainer_version=manifest.trainer_version,
        licence_notes=tuple(manifest.licence_notes),
        sample_rate=manifest.sample_rate,
        window_seconds=manifest.window_seconds,
        encoders=encoders,
        branches=branches,
        machine_types=machine_types,
        files=manifest.files,
    )


def verify(path: Path) -> Bundle:
    """As `load`, and every encoder is built as the daemon would build it."""
    bundle = load(path)
    for name in bundle.encoders:
        bundle.build_encoder(name)
    return bundle


def save(path: Path, contents: BundleContents, *, half_precision: bool = False) -> Bundle:
    """Write `contents` as the bundle `path`, which appears whole or not at all, and load it back.

    `half_precision` stores the encoders' weights as float16 (they are computed in float32 all the same). What would
    not load is refused before an older bundle at `path` is touched.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise BundleError(f"{path} exists and is not a bundle, so it is not replaced: choose another folder")
    with atomic.replaced_directory(path) as folder:
        (folder / "weights").mkdir()
        files: dict[str, str] = {}

        def put(file: str, tensors: Mapping[str, Tensor]) -> str:
            data = safetensors.torch.save({key: tensor.contiguous() for key, tensor in tensors.items()})
            atomic.write_bytes(folder / file, data)
            files[file] = hashlib.sha256(data).hexdigest()
            return file

        dtype = torch.float16 if half_precision else torch.float32
        for name in (*contents.encoders, *contents.machine_types):
            if not re.fullmatch(_NAME, name):
                raise BundleError(f"{name!r} cannot name part of a bundle: use letters, digits, '_', '.' and '-'")
        encoders = {
            name: {
                "kind": encoder.kind,
                "config": dict(encoder.config),
                "weights": put(
                    f"weights/{name}.safetensors",
                    {key: tensor.detach().to("cpu", dtype, copy=True) for key, tensor in encoder.weights.items()},
                ),
            }
            for name, encoder in contents.encoders.items()
        }
        machine_types = {
            name: {
                "prototypes": put(f"weights/prototypes-{name}.safetensors", _prototype_tensors(machine_type)),
                "calibration": None if machine_type.calibration is None else dict(machine_type.calibration),
            }
            for name, machine_type in contents.machine_types.items()
        }
        created = (contents.created or datetime.now(UTC)).astimezone(UTC)
        manifest = {
            "schema": SCHEMA,
            "name": contents.name,
            "created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "trainer_version": contents.trainer_version,
            "licence_notes": list(contents.licence_notes),
            "sample_rate": SAMPLE_RATE,
            "window_seconds": WINDOW_SECONDS,
            "encoders": encoders,
            "branches": [{"name": b.name, "encoder": b.encoder, "pooling": b.pooling} for b in contents.branches],
            "machine_types": machine_types,
            "files": files,
        }
        try:
            text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise BundleError(f"the manifest of bundle {path} cannot be written as JSON: {error}") from error
        atomic.write_text(folder / MANIFEST, text + "\n")
        load(folder)
    return load(path)


def _refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    raise BundleError(f"bundle {path}: {what}") from cause


def _listing(names: Iterator[str] | Mapping[str, object] | list[str]) -> str:
    return ", ".join(names) or "none"


def _read_manifest(path: Path) -> tuple[_Manifest, str]:
    file = path / MANIFEST
    if file.is_symlink() or not file.is_file():
        _refuse(path, f"{MANIFEST} is missing, so this is not a bundle")
    with file.open("rb") as stream:
        data = stream.read(MAX_MANIFEST_BYTES + 1)
    if len(data) > MAX_MANIFEST_BYTES:
        _refuse(path, f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        raw = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"{MANIFEST} is not valid JSON ({error})", error)
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        _refuse(
            path,
            f"{MANIFEST} has schema {str(schema)[:40]!r} where this version of asdstream reads {SCHEMA!r}: "
            "export it again with the matching trainer",
        )
    try:
        manifest = _Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        _refuse(path, f"{MANIFEST}: {where}: {first['msg']}", error)
    return manifest, hashlib.sha256(data).hexdigest()


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return values


def _check_manifest(path: Path, manifest: _Manifest) -> None:
    if manifest.sample_rate != SAMPLE_RATE or manifest.window_seconds != WINDOW_SECONDS:
        _refuse(
            path,
            f"it was made for {manifest.window_seconds:g} s windows at {manifest.sample_rate} Hz; "
            f"this version of asdstream works with {WINDOW_SECONDS:g} s at {SAMPLE_RATE} Hz",
        )
    if not manifest.branches:
        _refuse(path, f"{MANIFEST}: branches is empty; at least one is needed")
    names = [branch.name for branch in manifest.branches]
    for branch in manifest.branches:
        if names.count(branch.name) > 1:
            _refuse(path, f"{MANIFEST}: branch {branch.name!r} is there twice")
        if branch.encoder not in manifest.encoders:
            known = _listing(manifest.encoders)
            _refuse(path, f"{MANIFEST}: branch {branch.name!r} names encoder {branch.encoder!r}; there is {known}")
    for file, digest in manifest.files.items():
        if file == MANIFEST or not _FILE_NAME.fullmatch(file):
            _refuse(path, f"{MANIFEST}: files: {file[:80]!r} is not the name of a file inside the bundle")
        if not _SHA256.fullmatch(digest):
            _refuse(path, f"{MANIFEST}: files: {file!r} has no SHA-256 of 64 lower-case hexadecimal digits")
    used = [entry.weights for entry in manifest.encoders.values()]
    used += [entry.prototypes for entry in manifest.machine_types.values()]
    for file in used:
        if file not in manifest.files:
            _refuse(path, f"{MANIFEST}: {file[:80]!r} is used but not listed in files with its SHA-256")
        if used.count(file) > 1:
            _refuse(path, f"{MANIFEST}: {file!r} is used twice")


def _check_listing(path: Path, manifest: _Manifest) -> None:
    present: set[str] = set()
    for count, entry in enumerate(path.rglob("*")):
        if count >= MAX_ENTRIES:
            _refuse(path, f"it holds more than {MAX_ENTRIES} files and folders, which no bundle does")
        name = entry.relative_to(path).as_posix()
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            _refuse(path, f"{name} is a link or special file; a bundle holds plain files only")
        if entry.is_file():
            present.add(name)
    for name in sorted(manifest.files.keys() - present):
        _refuse(path, f"{name} is missing; {MANIFEST} lists it")
    for name in sorted(present - manifest.files.keys() - {MANIFEST}):
        _refuse(path, f"{name} is not listed in {MANIFEST}: remove it or export the bundle again")


def _read_file(path: Path, file: str, sha256: str) -> bytes:
    """The verified bytes of `file`: what is hashed is what is used."""
    try:
        with (path / file).open("rb") as stream:
            data = stream.read(MAX_WEIGHTS_BYTES + 1)
    except OSError as error:
        _refuse(path, f"{file} cannot be read: {error.strerror}", error)
    if len(data) > MAX_WEIGHTS_BYTES:
        _refuse(path, f"{file} is larger than {MAX_WEIGHTS_BYTES} bytes")
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        _refuse(
            path,
            f"{file} has SHA-256 {digest[:12]}... where {MANIFEST} says {sha256[:12]}...: "
            "it was damaged or changed, copy or export the bundle again",
        )
    return data


def _read_tensors(path: Path, file: str, sha256: str) -> dict[str, Tensor]:
    data = _read_file(path, file, sha256)
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, RuntimeError, KeyError, MemoryError) as error:
        _refuse(path, f"{file} is not a safetensors file ({str(error)[:120]})", error)
    for key, tensor in tensors.items():
        if tensor.dtype not in _STORED_DTYPES:
            _refuse(path, f"{file}: {key[:80]} is {_dtype(tensor)}; float32 or float16 is expected")
        if not bool(torch.isfinite(tensor).all()):
            _refuse(path, f"{file}: {key[:80]} holds NaN or infinite numbers")
    return tensors


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _layout(path: Path, name: str, kind: str, config: Mapping[str, JsonValue]) -> Callable[[], nn.Module]:
    """What makes the (untrained) network of an encoder."""
    from asdstream.models.audiomae import AudioMAE, AudioMAEConfig

    if kind != "audiomae":
        _refuse(path, f"{MANIFEST}: encoder {name!r} is of kind {kind!r}; this version of asdstream has audiomae")
    for key, value in config.items():
        limit = _CONFIG_LIMITS.get(key)
        if limit is not None and not (type(value) is int and 0 < value <= limit):
            _refuse(path, f"{MANIFEST}: encoder {name!r}: {key} is {str(value)[:40]}; 1 to {limit} is expected")
    if isinstance(ratio := config.get("mlp_ratio"), int | float) and not 0 < ratio <= 16:
        _refuse(path, f"{MANIFEST}: encoder {name!r}: mlp_ratio is {ratio}; more than 0, at most 16 is expected")
    try:
        settings = AudioMAEConfig.from_dict(dict(config))
    except (TypeError, ValueError, KeyError, AsdstreamError) as error:
        _refuse(path, f"{MANIFEST}: the configuration of encoder {name!r} is not usable ({error})", error)
    return lambda: AudioMAE(settings)


def _expected_shapes(path: Path, name: str, kind: str, config: Mapping[str, JsonValue]) -> dict[str, tuple[int, ...]]:
    make = _layout(path, name, kind, config)
    try:
        with shapes_only():
            network = make()
    except (TypeError, ValueError, RuntimeError) as error:
        _refuse(path, f"{MANIFEST}: the configuration of encoder {name!r} is not usable ({error})", error)
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def _width(config: Mapping[str, JsonValue]) -> int:
    width = config["embed_dim"]
    if not isinstance(width, int):
        raise TypeError("embed_dim is checked when the encoder is laid out")
    return width


def _check_weights(
    path: Path, file: str, expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, Tensor]
) -> None:
    for key in sorted(expected.keys() - weights.keys()):
        _refuse(path, f"{file}: {key} is missing; its configuration in {MANIFEST} asks for it")
    for key in sorted(weights.keys() - expected.keys()):
        _refuse(path, f"{file}: {key[:80]} is not part of the network that {MANIFEST} configures")
    for key, shape in expected.items():
        if tuple(weights[key].shape) != shape:
            _refuse(path, f"{file}: {key} has shape {tuple(weights[key].shape)} where {shape} is expected")


def _prototype_tensors(machine_type: MachineType) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for branch, prototypes in machine_type.prototypes.items():
        tensors[f"{branch}.source"] = torch.from_numpy(np.array(prototypes.source, dtype=np.float32))
        tensors[f"{branch}.target"] = torch.from_numpy(np.array(prototypes.target, dtype=np.float32))
    return tensors


def _prototypes(path: Path, file: str, sha256: str, widths: Mapping[str, int]) -> dict[str, BranchPrototypes]:
    tensors = _read_tensors(path, file, sha256)
    expected = {f"{branch}.{domain}": width for branch, width in widths.items() for domain in ("source", "target")}
    for key in sorted(expected.keys() ^ tensors.keys()):
        state = "missing" if key in expected else "of no branch of this bundle"
        _refuse(path, f"{file}: {key[:80]} is {state}")
    arrays: dict[str, NDArray[np.float32]] = {}
    for key, width in expected.items():
        shape = tuple(tensors[key].shape)
        least = 1 if key.endswith(".source") else 0
        if len(shape) != 2 or shape[1] != width or not least <= shape[0] <= MAX_PROTOTYPES:
            _refuse(path, f"{file}: {key} has shape {shape} where (n, {width}) with n from {least} is expected")
        array = tensors[key].float().numpy().copy()
        if shape[0] and float(np.linalg.norm(array, axis=1).min()) < 1e-6:
            _refuse(path, f"{file}: {key} holds a prototype of length zero, which has no cosine distance")
        array.setflags(write=False)
        arrays[key] = array
    return {branch: BranchPrototypes(arrays[f"{branch}.source"], arrays[f"{branch}.target"]) for branch in widths}
