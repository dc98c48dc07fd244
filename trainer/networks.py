"""The networks that learn from attributes: encoders, and what makes one embedding of their tokens as in a bundle."""

from typing import Self

import torch
from torch import Tensor, nn

from asdstream.bundle import Branch, FusedBranch, Fusion, Pooling
from asdstream.bundle.networks import embedding_size, new_head, token_shape
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.fbank import shared_front_ends
from asdstream.models.fusion import AttentiveFusion
from trainer.lora import adapt, is_adapted, merge

EVEN = 1e-3
"""Deviation of an untrained attention's last weights: all tokens weigh about the same, and yet all of it learns."""


class BranchNetwork(nn.Module):
    """One encoder and its pooling (System-1, and each half of System-2).

    Called on a waveform (B, N) at 16 kHz it returns embeddings (B, D), of any length, the very ones that the daemon
    computes from a bundle of the same weights. Front end and pooling keep to float32 whatever autocast is around them.

    `kept` and `places` (B, K), as `AudioMAE.embed_patches` takes them, let an AudioMAE see only those patches.
    """

    def __init__(self, encoder: AudioMAE | BEATs, pooling: Pooling = "mean") -> None:
        super().__init__()
        branch, shapes = Branch("branch", "encoder", pooling), {"encoder": token_shape(encoder)}
        self.encoder = encoder
        self.pooling = new_head(branch, shapes)
        self.embedding_size = embedding_size(branch, shapes)

    @property
    def audiomae(self) -> AudioMAE | None:
        """The encoder that can see a part of the patches; None where there is only BEATs."""
        return self.encoder if isinstance(self.encoder, AudioMAE) else None

    def forward(self, waveform: Tensor, kept: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """(B, N) to (B, D) float32."""
        return _in_float32(self.pooling, _tokens(self.encoder, self.encoder.front_end(waveform), kept, places))

    def merge(self) -> Self:
        """Take the steps of LoRA into the weights, in place; nothing happens where there are none."""
        _merge_adapted(self.encoder)
        return self


class FusedNetwork(nn.Module):
    """Both encoders and the fusion of their tokens (Systems 3 and 4); otherwise as `BranchNetwork`.

    BEATs always hears the whole waveform; `kept` and `places` are AudioMAE's.
    """

    def __init__(
        self,
        beats: BEATs,
        audiomae: AudioMAE,
        fusion: Fusion = "attentive",
        attention_dim: int = 128,
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        branch = FusedBranch("fused", ("beats", "audiomae"), fusion, pooling)
        shapes = {"beats": token_shape(beats), "audiomae": token_shape(audiomae)}
        self.beats = beats
        self.audiomae = audiomae
        self.fusion = new_head(branch, shapes, attention_dim)
        self.embedding_size = embedding_size(branch, shapes)

    def forward(self, waveform: Tensor, kept: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """(B, N) to (B, D) float32."""
        for_beats, for_audiomae = shared_front_ends(waveform, [self.beats.front_end, self.audiomae.front_end])
        return _in_float32(
            self.fusion,
            _tokens(self.beats, for_beats, None, None),
            _tokens(self.audiomae, for_audiomae, kept, places),
        )

    def merge(self) -> Self:
        """Take the steps of LoRA into the weights, in place; nothing happens where there are none."""
        _merge_adapted(self.beats)
        _merge_adapted(self.audiomae)
        return self


EmbeddingNetwork = BranchNetwork | FusedNetwork


def phase_one(encoder: AudioMAE | BEATs, pooling: Pooling = "mean", *, whole_encoder: bool = True) -> BranchNetwork:
    """Phase I: every weight of the encoder learns, or none does and the classes alone are learnt."""
    if whole_encoder:
        _thaw(encoder)
    else:
        encoder.requires_grad_(False)
    return BranchNetwork(encoder, pooling)


def phase_two(encoder: AudioMAE | BEATs, pooling: Pooling = "mean", *, rank: int = 8) -> BranchNetwork:
    """Phase II: only steps of `rank` on the encoder's queries and keys learn. ValueError where it has some already."""
    return BranchNetwork(adapt(encoder, rank), pooling)


def fusion(
    beats: BEATs,
    audiomae: AudioMAE,
    kind: Fusion = "attentive",
    *,
    attention_dim: int = 128,
    rank: int = 64,
    pooling: Pooling = "mean",
) -> FusedNetwork:
    """Fusion: steps of `rank` on both encoders' queries and keys learn, and the attention if there is one.

    The attention begins even, as the mean of all tokens, and so does not throw away at random what phase I has learnt.
    """
    network = FusedNetwork(adapt(beats, rank), adapt(audiomae, rank), kind, attention_dim, pooling)
    if isinstance(network.fusion, AttentiveFusion):
        nn.init.normal_(network.fusion.pooling.weight.weight, std=EVEN)
    return network


def _tokens(encoder: AudioMAE | BEATs, fbank: Tensor, kept: Tensor | None, places: Tensor | None) -> Tensor:
    if kept is None:
        return encoder.encode_fbank(fbank)
    if isinstance(encoder, BEATs):
        raise ValueError("BEATs cannot see a part of its patches; right would be a shorter crop")  # noqa: TRY004
    return encoder.encode_tokens(encoder.embed_patches(encoder.patchify(fbank), kept, places))


def _in_float32(head: nn.Module, *tokens: Tensor) -> Tensor:
    with torch.autocast(tokens[0].device.type, enabled=False):
        embedding: Tensor = head(*(each.float() for each in tokens))
    return embedding


def _thaw(encoder: AudioMAE | BEATs) -> None:
    encoder.requires_grad_(True)
    if isinstance(encoder, AudioMAE):
        encoder.pos_embed.requires_grad_(False)
    elif encoder.predictor is not None:
        encoder.predictor.requires_grad_(False)


def _merge_adapted(encoder: AudioMAE | BEATs) -> None:
    if is_adapted(encoder):
        merge(encoder)
