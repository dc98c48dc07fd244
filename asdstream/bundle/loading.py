"""From a folder to a bundle, believing nothing."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import asdstream
from asdstream.bundle.contents import Branch, FusedBranch, MachineType
from asdstream.bundle.errors import BundleError, listing
from asdstream.bundle.files import MANIFEST, NAME, check_present, read_file
from asdstream.bundle.loaded import Bundle, DecoderInBundle, EncoderInBundle, FusionInBundle, NetworkInBundle
from asdstream.bundle.manifest import (
    AttentiveBranchEntry,
    BranchEntry,
    EncoderEntry,
    Manifest,
    NetworkEntry,
    PooledBranchEntry,
    read_manifest,
)
from asdstream.bundle.networks import (
    embedding_size,
    lay_out_encoder,
    lay_out_masked,
    lay_out_separator,
    make_head,
    read_decoder,
    read_weights,
    token_shape,
)
from asdstream.bundle.prototypes import read_prototypes

BUILTIN = "builtin:"


def resolve(reference: str, base: Path | None = None) -> Path:
    """Turn what a configuration says into a folder: `builtin:<name>` ships with the package, the rest is a path.

    A relative path is taken from `base`, or from the working directory where that is None.
    """
    if not reference.startswith(BUILTIN):
        path = Path(reference).expanduser()
        return path if base is None else base / path
    folder = Path(str(resources.files(asdstream))) / "bundles"
    name = reference.removeprefix(BUILTIN)
    if re.fullmatch(NAME, name) and (folder / name / MANIFEST).is_file():
        return folder / name
    present = listing(sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")))
    raise BundleError(f"no bundle named {reference!r} ships with this installation; it has {present}")


def load(path: Path) -> Bundle:
    """Read the bundle in the folder `path` and verify all of it: schema, hashes, files, tensors.

    Raises BundleError with one sentence that says what is wrong and where.
    """
    try:
        is_there = path.is_dir()
    except OSError as error:
        raise BundleError(f"bundle {path} cannot be read: {error.strerror}") from error
    if not is_there:
        raise BundleError(f"bundle {path}: there is no such folder")
    manifest, sha256 = read_manifest(path)
    check_present(path, manifest.files)
    for file in sorted(manifest.files.keys() - set(manifest.used)):
        read_file(path, file, manifest.files[file])
    sizes = _check_networks(path, manifest)
    machine_types = {
        name: MachineType(
            read_prototypes(path, entry.prototypes, manifest.files[entry.prototypes], sizes),
            entry.calibration,
            entry.separated,
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
        encoders={name: _encoder(entry) for name, entry in manifest.encoders.items()},
        branches=tuple(_branch(entry) for entry in manifest.branches),
        machine_types=machine_types,
        files=manifest.files,
        fusions={
            entry.name: FusionInBundle(entry.attention_dim, entry.weights)
            for entry in manifest.branches
            if isinstance(entry, AttentiveBranchEntry)
        },
        separators=_networks(manifest.separators),
    )


def verify(path: Path) -> Bundle:
    """As `load`, and every network is built as the daemon would build it."""
    bundle = load(path)
    for encoder in bundle.encoders:
        bundle.build_encoder(encoder)
    for branch in bundle.branches:
        bundle.build_head(branch.name)
    for machine_type in bundle.separators:
        bundle.build_separator(machine_type)
    bundle.build_masked_audiomae()
    return bundle


def _check_networks(path: Path, manifest: Manifest) -> dict[str, int]:
    """Compare all weights with what is configured; returns D by branch."""
    tokens = {}
    for name, entry in manifest.encoders.items():
        encoder = lay_out_encoder(path, name, entry.kind, entry.config)
        tokens[name] = token_shape(encoder)
        read_weights(path, entry.weights, manifest.files[entry.weights], encoder)
        if entry.decoder is not None:
            masked = lay_out_masked(path, name, entry.kind, entry.config, entry.decoder.config)
            read_decoder(path, entry.decoder.weights, manifest.files[entry.decoder.weights], masked)
    for branch in manifest.branches:
        if isinstance(branch, AttentiveBranchEntry):
            head = make_head(path, _branch(branch), tokens, branch.attention_dim)
            read_weights(path, branch.weights, manifest.files[branch.weights], head)
    for name, serving in manifest.separators.items():
        separator = lay_out_separator(path, name, serving.kind, serving.config)
        read_weights(path, serving.weights, manifest.files[serving.weights], separator)
    return {branch.name: embedding_size(_branch(branch), tokens) for branch in manifest.branches}


def _networks(entries: Mapping[str, NetworkEntry]) -> dict[str, NetworkInBundle]:
    return {name: NetworkInBundle(entry.kind, entry.config, entry.weights) for name, entry in entries.items()}


def _encoder(entry: EncoderEntry) -> EncoderInBundle:
    decoder = None if entry.decoder is None else DecoderInBundle(entry.decoder.config, entry.decoder.weights)
    return EncoderInBundle(entry.kind, entry.config, entry.weights, decoder)


def _branch(entry: BranchEntry) -> Branch | FusedBranch:
    if isinstance(entry, PooledBranchEntry):
        return Branch(entry.name, entry.encoder, entry.pooling, entry.loudness)
    encoders = entry.encoders[0], entry.encoders[1]
    return FusedBranch(entry.name, encoders, entry.fusion, entry.pooling, entry.loudness)
