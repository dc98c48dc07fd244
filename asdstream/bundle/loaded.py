"""A bundle that has been verified, from which networks can be built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue
from torch import nn

from asdstream.bundle.contents import ANY_TYPE, Branch, FusedBranch, MachineType
from asdstream.bundle.errors import BundleError, listing
from asdstream.bundle.networks import (
    Encoder,
    Network,
    TokenShape,
    embedding_size,
    fill,
    lay_out_encoder,
    lay_out_masked,
    lay_out_separator,
    make_head,
    read_decoder,
    read_weights,
    token_shape,
)
from asdstream.models.fbank import frame_count
from asdstream.models.loudness import SpecificLoudness
from asdstream.models.masked_audiomae import MaskedAudioMAE
from asdstream.models.tfgridnet import TFGridNet


@dataclass(frozen=True, slots=True)
class NetworkInBundle:
    """A separator as the manifest describes it; `weights` is relative to the bundle."""

    kind: str
    config: Mapping[str, JsonValue]
    weights: str


@dataclass(frozen=True, slots=True)
class DecoderInBundle:
    """The decoder that was trained with an encoder; `weights` is relative to the bundle."""

    config: Mapping[str, JsonValue]
    weights: str


@dataclass(frozen=True, slots=True)
class EncoderInBundle(NetworkInBundle):
    """An encoder as the manifest describes it."""

    decoder: DecoderInBundle | None = None


@dataclass(frozen=True, slots=True)
class FusionInBundle:
    """The attention of an attentively fused branch; `weights` is relative to the bundle."""

    attention_dim: int
    weights: str


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that has been verified. `sha256` is that of its manifest, which holds those of all other files.

    What is built is on the CPU, in float32 and evaluation mode. Its weights are read and verified again, so a bundle
    replaced since it was loaded gives a BundleError and never half of each.
    """

    path: Path
    sha256: str
    name: str
    created: datetime
    trainer_version: str
    licence_notes: tuple[str, ...]
    sample_rate: int
    window_seconds: float
    encoders: Mapping[str, EncoderInBundle]
    branches: tuple[Branch | FusedBranch, ...]
    machine_types: Mapping[str, MachineType]
    files: Mapping[str, str]
    fusions: Mapping[str, FusionInBundle] = field(default_factory=dict)
    separators: Mapping[str, NetworkInBundle] = field(default_factory=dict)

    def build_encoder(self, name: str) -> Encoder:
        """The encoder `name`, from waveforms (B, N) to tokens (B, T, D)."""
        if name not in self.encoders:
            raise BundleError(f"bundle {self.path} has no encoder {name!r}; it has {listing(self.encoders)}")
        entry = self.encoders[name]
        return self._fill(lay_out_encoder(self.path, name, entry.kind, entry.config), entry.weights)

    def build_masked_audiomae(self) -> MaskedAudioMAE | None:
        """The encoder that has a decoder, with it, to draw hidden parts of a spectrogram; None where none has.

        The decoder takes no memory before.
        """
        for name, entry in self.encoders.items():
            decoder = entry.decoder
            if decoder is not None:
                masked = lay_out_masked(self.path, name, entry.kind, entry.config, decoder.config)
                encoder = lay_out_encoder(self.path, name, entry.kind, entry.config)
                weights = read_weights(self.path, entry.weights, self.files[entry.weights], encoder)
                weights |= read_decoder(self.path, decoder.weights, self.files[decoder.weights], masked)
                return fill(masked, weights)
        return None

    def build_head(self, branch: str) -> nn.Module:
        """What makes embeddings (B, D) of its encoders' tokens, which it is called with in order, for `branch`.

        Where the branch has loudness, that stands beside them: `build_loudness`.
        """
        chosen = self._branch(branch)
        fusion = self.fusions.get(branch)
        head = make_head(self.path, chosen, self._tokens(chosen), None if fusion is None else fusion.attention_dim)
        return head.eval() if fusion is None else self._fill(head, fusion.weights)

    def build_loudness(self, branch: str) -> SpecificLoudness | None:
        """What makes of the spectrogram that the first encoder of `branch` hears what stands beside its embeddings.

        None where the branch has no loudness.
        """
        chosen = self._branch(branch)
        if not chosen.loudness:
            return None
        name = chosen.encoders[0]
        entry = self.encoders[name]
        encoder = lay_out_encoder(self.path, name, entry.kind, entry.config)
        return SpecificLoudness(encoder.front_end, frame_count(round(self.sample_rate * self.window_seconds)))

    def separator_of(self, machine_type: str) -> str | None:
        """Which of `separators` serves `machine_type`: its own, else the one for all, else None."""
        return next((name for name in (machine_type, ANY_TYPE) if name in self.separators), None)

    def build_separator(self, machine_type: str) -> TFGridNet | None:
        """The separator that serves `machine_type`, from waveforms (B, N) to (B, sources, N), the machine first.

        None where the bundle has none for it.
        """
        name = self.separator_of(machine_type)
        if name is None:
            return None
        entry = self.separators[name]
        return self._fill(lay_out_separator(self.path, name, entry.kind, entry.config), entry.weights)

    def embedding_size(self, branch: str) -> int:
        """D of the embeddings of `branch`."""
        chosen = self._branch(branch)
        return embedding_size(chosen, self._tokens(chosen))

    def _branch(self, name: str) -> Branch | FusedBranch:
        for branch in self.branches:
            if branch.name == name:
                return branch
        raise BundleError(f"bundle {self.path} has no branch {name!r}; it has {listing(b.name for b in self.branches)}")

    def _tokens(self, branch: Branch | FusedBranch) -> dict[str, TokenShape]:
        entries = {name: self.encoders[name] for name in branch.encoders}
        return {
            name: token_shape(lay_out_encoder(self.path, name, entry.kind, entry.config))
            for name, entry in entries.items()
        }

    def _fill(self, network: Network, file: str) -> Network:
        return fill(network, read_weights(self.path, file, self.files[file], network))
