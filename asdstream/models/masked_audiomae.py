"""AudioMAE as it is trained: mask most of a spectrogram, encode the rest, draw the whole again."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from asdstream.models.audiomae import (
    LAYER_NORM_EPS,
    AudioMAE,
    AudioMAEConfig,
    block_count,
    config_of,
    encoder_state,
)
from asdstream.models.checkpoint import CheckpointError, load_weights, read_checkpoint, shapes_only
from asdstream.models.encoder import initialise_linear_layers
from asdstream.models.masking import Mask
from asdstream.models.positions import sine_cosine_table
from asdstream.models.swin import SwinBlock


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Sizes of the decoder."""

    embed_dim: int = 512
    depth: int = 16
    heads: int = 16
    window: tuple[int, int] = (4, 4)
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        for name in ("embed_dim", "depth", "heads", "mlp_ratio"):
            if getattr(self, name) <= 0:
                raise ValueError(f"the decoder's {name} is {getattr(self, name)}; right would be a positive number")
        if len(self.window) != 2 or min(self.window) < 1:
            raise ValueError(f"the decoder's window is {self.window}; right would be two positive numbers")

    @classmethod
    def tiny(cls) -> Self:
        """Goes with the tiny encoder: 128 wide, 4 heads, one plain and one shifted block."""
        return cls(embed_dim=128, depth=2, heads=4)

    @classmethod
    def base(cls) -> Self:
        """The published size: 512 wide, 16 blocks, 16 heads."""
        return cls()

    def to_dict(self) -> dict[str, int | float | list[int]]:
        """As plain numbers, for JSON."""
        return asdict(self) | {"window": list(self.window)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The inverse of `to_dict`; a ValueError names a key that is unknown or not a number."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown decoder setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
        settings = dict(values)
        window = settings.pop("window", [4, 4])
        sides = window if isinstance(window, list | tuple) else [window]
        for name, value in [*settings.items(), *(("window", side) for side in sides)]:
            kinds = (int, float) if name == "mlp_ratio" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"decoder setting {name!r} is {value!r}; right would be a number")  # noqa: TRY004
        return cls(**settings, window=tuple(sides))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """What the decoder drew and what was there: `pred` and `target` (B, L, patch * patch), `mask` (B, L) removed."""

    pred: Tensor
    target: Tensor
    mask: Tensor


class MaskedAudioMAE(AudioMAE):
    """AudioMAE with its decoder of shifted-window blocks (Huang et al. 2022, section 3).

    Called on a normalised filter bank and a mask it returns the reconstruction; `front_end` makes the filter bank from
    a waveform. Every attribute of the encoder stands in the same place, and `encoder()` gives it alone.
    """

    def __init__(self, config: AudioMAEConfig, decoder_config: DecoderConfig) -> None:
        super().__init__(config)
        dim = decoder_config.embed_dim
        self.decoder_config = decoder_config
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.decoder_pos_embed = nn.Parameter(sine_cosine_table(dim, config.times, config.bands), requires_grad=False)
        self.decoder_embed = nn.Linear(config.embed_dim, dim)
        half = decoder_config.window[0] // 2
        self.decoder_blocks = nn.ModuleList(
            SwinBlock(
                dim,
                decoder_config.heads,
                (config.times, config.bands),
                window=decoder_config.window,
                # Only along time: the grid is just two windows high.
                shift=(half, 0) if index % 2 else (0, 0),
                mlp_ratio=decoder_config.mlp_ratio,
            )
            for index in range(decoder_config.depth)
        )
        self.decoder_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.decoder_pred = nn.Linear(dim, config.patch**2)
        nn.init.normal_(self.mask_token, std=0.02)
        for part in (self.decoder_embed, self.decoder_blocks, self.decoder_pred):
            initialise_linear_layers(part)

    def forward(self, fbank: Tensor, mask: Mask) -> Reconstruction:  # type: ignore[override]
        """Normalised filter bank (B, frames, mels) and a mask over its L patches to their reconstruction."""
        target = self.patchify(fbank)
        if mask.ids_restore.shape != target.shape[:2]:
            raise ValueError(
                f"the mask is for {tuple(mask.ids_restore.shape)} patches; right would be {tuple(target.shape[:2])}"
            )
        latent = self.encode_masked(target, mask)
        return Reconstruction(self.decode(latent, mask), target, mask.removed)

    def encode_masked(self, patches: Tensor, mask: Mask) -> Tensor:
        """Patches (B, L, patch * patch) to the tokens of the class and the kept ones, (B, 1 + K, D)."""
        return self.encode_tokens(self.embed_patches(patches, mask.ids_keep))

    def decoder_input(self, latent: Tensor, mask: Mask) -> Tensor:
        """Encoder tokens (B, 1 + K, D) to the decoder's (B, L, E): mask tokens filled in, class token dropped."""
        kept = self.decoder_embed(latent)[:, 1:]
        batch, patches = mask.ids_restore.shape
        absent = self.mask_token.expand(batch, patches - kept.shape[1], -1)
        places = mask.ids_restore[..., None].expand(-1, -1, kept.shape[-1])
        return torch.cat([kept, absent], dim=1).gather(1, places) + self.decoder_pos_embed[:, 1:]

    def decode(self, latent: Tensor, mask: Mask) -> Tensor:
        """Encoder tokens (B, 1 + K, D) to drawn patches (B, L, patch * patch)."""
        x = self.decoder_input(latent, mask)
        for block in self.decoder_blocks:
            x = block(x)
        pred: Tensor = self.decoder_pred(self.decoder_norm(x))
        return pred

    def encoder(self) -> AudioMAE:
        """The encoder alone, sharing this model's parameters."""
        with shapes_only():
            alone = AudioMAE(self.config)
        own = dict(self.named_parameters())
        for name in list(alone.state_dict()):
            owner, _, leaf = name.rpartition(".")
            setattr(alone.get_submodule(owner), leaf, own[name])
        return alone.train(self.training)


def reconstruction_loss(
    reconstruction: Reconstruction, kind: Literal["l1", "mse"] = "l1", normalise_patches: bool = False
) -> Tensor:
    """Mean error of the removed patches, a scalar.

    Args:
        reconstruction: what `MaskedAudioMAE` returned.
        kind: absolute error (Zhang et al. 2025, eq. 1) or squared error (Huang et al. 2022).
        normalise_patches: compare with each patch's own mean removed and deviation (unbiased) divided out.
    """
    target = reconstruction.target
    if normalise_patches:
        variance, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6).sqrt()
    difference = reconstruction.pred - target
    if kind == "l1":
        error = difference.abs()
    elif kind == "mse":
        error = difference.square()
    else:
        raise ValueError(f"the reconstruction loss is {kind!r}; right would be 'l1' or 'mse'")
    weight = reconstruction.mask.to(error.dtype)
    return (error.mean(dim=-1) * weight).sum() / weight.sum()


def has_decoder(names: Iterable[str]) -> bool:
    """Whether any of these names of a state dict is a part of the decoder."""
    return any(name.startswith("decoder_") or name == "mask_token" for name in names)


def decoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's part of a masked autoencoder's state dict."""
    return {name: tensor for name, tensor in state.items() if has_decoder([name])}


def from_reference(state: Mapping[str, Tensor], source: Path | str, heads: int | None = None) -> MaskedAudioMAE:
    """Build encoder and decoder from what `load_checkpoint` reads; `source` names it in an error."""
    if not has_decoder(state):
        raise CheckpointError(
            f"checkpoint {source} has no AudioMAE decoder; right would be the reference's pre-training checkpoint"
        )
    with shapes_only():
        model = MaskedAudioMAE(config_of(encoder_state(state), heads), _decoder_config_of(state))
    load_weights(model, state, source)
    return model.eval()


def _decoder_config_of(state: Mapping[str, Tensor]) -> DecoderConfig:
    try:
        dim = state["mask_token"].shape[-1]
        heads = state["decoder_blocks.0.attn.tau"].shape[0]
        hidden = state["decoder_blocks.0.mlp.fc1.weight"].shape[0]
        return DecoderConfig(dim, block_count(state, "decoder_blocks."), heads, mlp_ratio=hidden / dim)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        # What is missing or misshapen is then found against the published size.
        return DecoderConfig.base()


def load_checkpoint(path: Path | str, heads: int | None = None) -> MaskedAudioMAE:
    """Build encoder and decoder from the reference's pre-training checkpoint, in float32 and evaluation mode.

    Args:
        path: a `.pth` of the reference, 430 tensors at full size.
        heads: attention heads of the encoder, for widths other than 64 a head.

    Raises:
        CheckpointError: the file cannot be read, has no decoder, or keys are missing, unexpected or misshapen.
    """
    return from_reference(read_checkpoint(Path(path)), path, heads)
