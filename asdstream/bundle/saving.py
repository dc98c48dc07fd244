"""From contents to a folder, whole or not at all."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import safetensors.torch
import torch
from pydantic import JsonValue
from torch import Tensor

from asdstream import atomic
from asdstream.bundle.contents import (
    ANY_TYPE,
    Branch,
    BundleContents,
    EncoderContents,
    FusedBranch,
    FusionContents,
    SeparatorContents,
)
from asdstream.bundle.errors import BundleError
from asdstream.bundle.files import MANIFEST, NAME
from asdstream.bundle.loaded import Bundle
from asdstream.bundle.loading import load
from asdstream.bundle.manifest import SAMPLE_RATE, SCHEMA, WINDOW_SECONDS
from asdstream.bundle.prototypes import prototype_tensors


def save(path: Path, contents: BundleContents, *, half_precision: bool = False) -> Bundle:
    """Write `contents` as the bundle `path`, which appears whole or not at all, and load it back.

    `half_precision` stores the networks' weights as float16 (they are computed in float32 all the same). What would
    not load is refused before an older bundle at `path` is touched.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise BundleError(f"{path} exists and is not a bundle, so it is not replaced: choose another folder")
    _check_names(contents)
    with atomic.replaced_directory(path) as folder:
        weights = _WeightsFolder(folder, torch.float16 if half_precision else torch.float32)
        manifest = _manifest(contents, weights)
        try:
            text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise BundleError(f"the manifest of bundle {path} cannot be written as JSON: {error}") from error
        atomic.write_text(folder / MANIFEST, text + "\n")
        load(folder)
    return load(path)


class _WeightsFolder:
    """The files of a bundle being written, with their hashes."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        (folder / "weights").mkdir()
        self._folder = folder
        self._dtype = dtype
        self.files: dict[str, str] = {}

    def put_network(self, name: str, weights: Mapping[str, Tensor]) -> str:
        """Write a state dict; returns the file, relative to the bundle."""
        # Copies, because tensors that share memory cannot be stored.
        return self.put(
            name, {key: tensor.detach().to("cpu", self._dtype, copy=True) for key, tensor in weights.items()}
        )

    def put(self, name: str, tensors: Mapping[str, Tensor]) -> str:
        """As `put_network`, in the dtype that the tensors have."""
        file = f"weights/{name}.safetensors"
        if file in self.files:
            raise BundleError(f"two parts of the bundle would be written to {file}: give one another name")
        data = safetensors.torch.save({key: tensor.contiguous() for key, tensor in tensors.items()})
        atomic.write_bytes(self._folder / file, data)
        self.files[file] = hashlib.sha256(data).hexdigest()
        return file


def _check_names(contents: BundleContents) -> None:
    separators = [name for name in contents.separators if name != ANY_TYPE]
    branches = [branch.name for branch in contents.branches]
    for name in (*contents.encoders, *branches, *separators, *contents.machine_types):
        if not re.fullmatch(NAME, name):
            raise BundleError(f"{name!r} cannot name part of a bundle: use letters, digits, '_', '.' and '-'")
    attentive = {b.name for b in contents.branches if isinstance(b, FusedBranch) and b.is_attentive}
    for name in sorted(attentive ^ contents.fusions.keys()):
        if name in attentive:
            raise BundleError(f"branch {name!r} is fused attentively; its weights are missing among the fusions")
        raise BundleError(f"the fusion {name!r} belongs to no branch that is fused attentively")


def _manifest(contents: BundleContents, weights: _WeightsFolder) -> dict[str, object]:
    """What bundle.json says; the weights are written on the way."""
    encoders = {name: _encoder(encoder, name, weights) for name, encoder in contents.encoders.items()}
    branches = [_branch(branch, contents.fusions, weights) for branch in contents.branches]
    separators = {
        name: _network(separator, "separator" if name == ANY_TYPE else f"separator-{name}", weights)
        for name, separator in contents.separators.items()
    }
    machine_types = {
        name: {
            "prototypes": weights.put(f"prototypes-{name}", prototype_tensors(machine_type)),
            "calibration": None if machine_type.calibration is None else dict(machine_type.calibration),
            "separated": machine_type.separated,
        }
        for name, machine_type in contents.machine_types.items()
    }
    created = (contents.created or datetime.now(UTC)).astimezone(UTC)
    return {
        "schema": SCHEMA,
        "name": contents.name,
        "created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "trainer_version": contents.trainer_version,
        "licence_notes": list(contents.licence_notes),
        "sample_rate": SAMPLE_RATE,
        "window_seconds": WINDOW_SECONDS,
        "encoders": encoders,
        "branches": branches,
        "separators": separators,
        "machine_types": machine_types,
        "files": weights.files,
    }


def _network(network: EncoderContents | SeparatorContents, name: str, weights: _WeightsFolder) -> dict[str, JsonValue]:
    return {
        "kind": network.kind,
        "config": dict(network.config),
        "weights": weights.put_network(name, network.weights),
    }


def _encoder(encoder: EncoderContents, name: str, weights: _WeightsFolder) -> dict[str, JsonValue]:
    entry = _network(encoder, name, weights)
    if encoder.decoder is not None:
        entry["decoder"] = {
            "config": dict(encoder.decoder.config),
            "weights": weights.put_network(f"{name}-decoder", encoder.decoder.weights),
        }
    return entry


def _branch(
    branch: Branch | FusedBranch, fusions: Mapping[str, FusionContents], weights: _WeightsFolder
) -> dict[str, JsonValue]:
    entry: dict[str, JsonValue] = {"name": branch.name, "pooling": branch.pooling, "loudness": branch.loudness}
    if isinstance(branch, Branch):
        return entry | {"encoder": branch.encoder}
    entry |= {"encoders": list(branch.encoders), "fusion": branch.fusion}
    if branch.is_attentive:
        fusion = fusions[branch.name]
        entry["attention_dim"] = fusion.attention_dim
        entry["weights"] = weights.put_network(f"fusion-{branch.name}", fusion.weights)
    return entry
