"""The AudioMAE encoder: a vision transformer over mel-spectrogram patches."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from asdstream.models.checkpoint import CheckpointError, load_weights, read_checkpoint, shapes_only
from asdstream.models.encoder import PreNormBlock, initialise_linear_layers
from asdstream.models.fbank import MEL_BANDS, audiomae_front_end
from asdstream.models.patches import PatchProjection, patchify
from asdstream.models.positions import sine_cosine_table

LAYER_NORM_EPS = 1e-6
LICENCE_NOTE = "AudioMAE's published weights are licensed CC BY-NC 4.0: not for commercial use."


@dataclass(frozen=True, slots=True)
class AudioMAEConfig:
    """Sizes of an AudioMAE encoder; `frames` and `mels` are those of the spectrogram, `patch` the patch's side."""

    embed_dim: int
    depth: int
    heads: int
    mlp_ratio: float = 4.0
    frames: int = 1024
    mels: int = MEL_BANDS
    patch: int = 16

    def __post_init__(self) -> None:
        for name in ("embed_dim", "depth", "heads", "mlp_ratio", "frames", "mels", "patch"):
            if getattr(self, name) <= 0:
                raise ValueError(f"AudioMAE's {name} is {getattr(self, name)}; right would be a positive number")
        if self.mels != MEL_BANDS:
            raise ValueError(f"AudioMAE's mels is {self.mels}; its front end makes {MEL_BANDS}")
        if self.frames % self.patch or self.mels % self.patch:
            raise ValueError(
                f"AudioMAE's spectrogram of {self.frames} x {self.mels} does not divide into patches of {self.patch}"
            )

    @classmethod
    def tiny(cls) -> Self:
        """Runs many channels on a CPU: 192 wide, 6 blocks, 3 heads, 2.8 million numbers."""
        return cls(embed_dim=192, depth=6, heads=3)

    @classmethod
    def base(cls) -> Self:
        """The published size: 768 wide, 12 blocks, 12 heads, 85.6 million numbers."""
        return cls(embed_dim=768, depth=12, heads=12)

    @property
    def times(self) -> int:
        """Patches along time: 64."""
        return self.frames // self.patch

    @property
    def bands(self) -> int:
        """Patches along frequency: 8."""
        return self.mels // self.patch

    @property
    def tokens(self) -> int:
        """Patch tokens, the class token not counted: 512."""
        return self.times * self.bands

    def to_dict(self) -> dict[str, int | float]:
        """As plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The inverse of `to_dict`; a ValueError names a key that is missing, unknown or not a number."""
        known = {field.name for field in fields(cls)}
        required = {"embed_dim", "depth", "heads"}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown AudioMAE setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := sorted(required - set(values)):
            raise ValueError(f"AudioMAE setting {missing[0]!r} is missing")
        for name, value in values.items():
            kinds = (int, float) if name == "mlp_ratio" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"AudioMAE setting {name!r} is {value!r}; right would be a number")  # noqa: TRY004
        return cls(**values)  # type: ignore[arg-type]


class _PatchEmbedding(nn.Module):
    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = PatchProjection(dim, patch)


class AudioMAE(nn.Module):
    """AudioMAE's encoder (Huang et al. 2022, "Masked Autoencoders that Listen").

    Called on a waveform (B, N) at 16 kHz in [-1, 1], it returns tokens (B, 1 + L, D) after the final norm: the class
    token first, then L = 512 patch tokens, time-major. Clips are cut or padded to 10.24 s. Parameters bear the names
    of the published checkpoint. The front end is always computed in float32, the blocks in the weights' dtype.

    >>> tokens = AudioMAE(AudioMAEConfig.tiny())(torch.zeros(2, 160_000))
    >>> tokens.shape
    torch.Size([2, 513, 192])
    """

    def __init__(self, config: AudioMAEConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.config = config
        self.front_end = audiomae_front_end(config.frames)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(sine_cosine_table(dim, config.times, config.bands), requires_grad=False)
        self.patch_embed = _PatchEmbedding(dim, config.patch)
        hidden = int(dim * config.mlp_ratio)
        self.blocks = nn.ModuleList(
            PreNormBlock(dim, config.heads, hidden, LAYER_NORM_EPS) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        nn.init.normal_(self.cls_token, std=0.02)
        self.patch_embed.proj.initialise()
        initialise_linear_layers(self.blocks)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) to (B, 1 + L, D)."""
        return self.encode_fbank(self.front_end(waveform))

    def encode_fbank(self, fbank: Tensor, *, final_norm: bool = True) -> Tensor:
        """Normalised filter bank (B, frames, mels) to tokens (B, 1 + L, D).

        Without `final_norm` the tokens are the last block's output, which fine-tuning pools before its own norm.
        """
        return self.encode_tokens(self.embed_patches(self.patchify(fbank)), final_norm=final_norm)

    def patchify(self, fbank: Tensor) -> Tensor:
        """Normalised filter bank (B, frames, mels) to patches (B, L, patch * patch), in the weights' dtype."""
        if tuple(fbank.shape[1:]) != (self.config.frames, self.config.mels):
            raise ValueError(
                f"the spectrogram has shape {tuple(fbank.shape)}; right would be "
                f"(batch, {self.config.frames}, {self.config.mels})"
            )
        return patchify(fbank.to(self.pos_embed.dtype), self.config.patch)

    def embed_patches(self, patches: Tensor, kept: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """Patches (B, L, patch * patch) to embedded ones with their positions, (B, L, D).

        `kept` (B, K) holds the indices of the patches to embed, in order; the result is then (B, K, D). `places`
        (B, K) tells whose position each of them is given, for a clip that is to stand elsewhere in the window than at
        its beginning; each has its own unless told.
        """
        positions = self.pos_embed[:, 1:]
        if kept is not None:
            patches = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[-1]))
            positions = positions[0][kept if places is None else places]
        elif places is not None:
            raise ValueError("places are given without the patches that stand there; right would be both")
        return self.patch_embed.proj.project(patches) + positions

    def encode_tokens(self, tokens: Tensor, *, final_norm: bool = True) -> Tensor:
        """Embedded patches (B, K, D) to the encoder's output (B, 1 + K, D), class token first."""
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        x = torch.cat([first, tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) if final_norm else x


def encoder_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of a reference, fine-tuned or timm state dict, under the reference's names.

    The decoder and a classification head are left out. A timm conversion may call the final norm `fc_norm`.
    """
    known = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(("decoder_", "head.")) and name != "mask_token"
    }
    if "norm.weight" not in known:
        known = {f"norm.{name[8:]}" if name.startswith("fc_norm.") else name: known[name] for name in known}
    return {name: tensor for name, tensor in known.items() if not name.startswith("fc_norm.")}


def is_audiomae(names: Iterable[str]) -> bool:
    """Whether these names of a state dict are those of an AudioMAE encoder, complete or not."""
    return any(name.startswith("blocks.") and ".attn.qkv." in name for name in names)


def block_count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many blocks there are under `prefix`; they are counted, because a number in a name may be anything."""
    return len({name.split(".")[1] for name in state if name.startswith(prefix)})


def config_of(state: Mapping[str, Tensor], heads: int | None = None) -> AudioMAEConfig:
    """The sizes that an encoder's state dict implies. Heads cannot be seen in it: 64 wide each unless told.

    Where a tensor that tells a size is itself missing, the published size is taken, so that all that does not fit is
    found when the weights are loaded.
    """
    if not is_audiomae(state):
        raise CheckpointError(
            "this is not an AudioMAE checkpoint: it has no 'blocks.0.attn.qkv.weight'; right would be the reference's "
            "or timm's file"
        )
    try:
        dim = state["cls_token"].shape[-1]
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        patch = state["patch_embed.proj.weight"].shape[-1]
        tokens = state["pos_embed"].shape[1] - 1
    except (KeyError, IndexError):
        return AudioMAEConfig.base()
    if heads is None and dim % 64:
        raise CheckpointError(f"an AudioMAE {dim} wide has no usual number of heads; state it")
    frames = tokens * patch * patch // MEL_BANDS
    depth = block_count(state, "blocks.")
    try:
        return AudioMAEConfig(dim, depth, heads or dim // 64, mlp_ratio=hidden / dim, frames=frames, patch=patch)
    except (ValueError, ZeroDivisionError):
        return AudioMAEConfig.base()


def from_reference(state: Mapping[str, Tensor], source: Path | str, heads: int | None = None) -> AudioMAE:
    """Build the encoder from what `load_checkpoint` reads; `source` names it in an error."""
    state = encoder_state(state)
    with shapes_only():
        model = AudioMAE(config_of(state, heads))
    load_weights(model, state, source)
    return model.eval()


def load_checkpoint(path: Path | str, heads: int | None = None) -> AudioMAE:
    """Build the encoder that a public checkpoint holds, in float32 and evaluation mode.

    Args:
        path: the reference's `.pth` (decoder and optimiser are passed over), or the timm / Hugging Face conversion.
        heads: attention heads, for widths other than 64 a head.

    Raises:
        CheckpointError: the file cannot be read, or keys are missing, unexpected or misshapen.
    """
    return from_reference(read_checkpoint(Path(path)), path, heads)
