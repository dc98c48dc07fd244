"""The BEATs encoder: a post-norm transformer over spectrogram patches with gated relative position bias."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asdstream.models.attention import attend, merge_heads, split_heads
from asdstream.models.checkpoint import CheckpointError, load_weights, read_file, shapes_only, state_dict_of
from asdstream.models.fbank import beats_front_end
from asdstream.models.patches import PatchProjection
from asdstream.models.positional_convolution import PositionalConvolution
from asdstream.models.relative_position import relative_bias

LICENCE_NOTE = "BEATs' code and published weights are licensed MIT."


@dataclass(frozen=True, slots=True)
class BEATsConfig:
    """Sizes of a BEATs encoder, under the names of the published checkpoints; `predictor_class` 0 has no predictor."""

    encoder_layers: int
    encoder_embed_dim: int
    encoder_ffn_embed_dim: int
    encoder_attention_heads: int
    embed_dim: int = 512
    input_patch_size: int = 16
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    dropout_input: float = 0.0
    encoder_layerdrop: float = 0.0
    predictor_dropout: float = 0.0
    predictor_class: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if "drop" in field.name:
                if not 0.0 <= value < 1.0:
                    raise ValueError(f"BEATs' {field.name} is {value}; right would be at least 0 and below 1")
            elif value <= 0 and field.name != "predictor_class":
                raise ValueError(f"BEATs' {field.name} is {value}; right would be a positive number")
        if self.encoder_embed_dim % self.encoder_attention_heads or self.encoder_embed_dim % self.conv_pos_groups:
            raise ValueError(
                f"BEATs' width of {self.encoder_embed_dim} must be a multiple of its {self.encoder_attention_heads} "
                f"heads and of its {self.conv_pos_groups} convolution groups"
            )
        if self.num_buckets % 4 or self.max_distance <= self.num_buckets // 4:
            raise ValueError(
                f"BEATs' {self.num_buckets} buckets up to a distance of {self.max_distance} do not divide; right would "
                "be a multiple of 4, and a distance above a quarter of it"
            )

    @classmethod
    def tiny(cls) -> Self:
        """Runs many channels on a CPU: 192 wide, 6 layers, 3 heads."""
        return cls(6, 192, 768, 3, embed_dim=192)

    @classmethod
    def base(cls) -> Self:
        """The published size: 768 wide, 12 layers, 12 heads, 90.3 million numbers."""
        return cls(12, 768, 3072, 12)

    def to_dict(self) -> dict[str, int | float]:
        """As plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The inverse of `to_dict`; a ValueError names a key that is missing, unknown or not a number."""
        known = {field.name for field in fields(cls)}
        required = {"encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads"}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown BEATs setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := sorted(required - set(values)):
            raise ValueError(f"BEATs setting {missing[0]!r} is missing")
        for name, value in values.items():
            kinds = (int, float) if "drop" in name else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"BEATs setting {name!r} is {value!r}; right would be a number")  # noqa: TRY004
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def from_reference(cls, cfg: Mapping[str, object]) -> Self:
        """From the `cfg` of a published checkpoint; a ValueError names a setting that no published file has."""
        fixed = {
            "activation_fn": "gelu",
            "layer_norm_first": False,
            "deep_norm": True,
            "conv_bias": False,
            "relative_position_embedding": True,
            "gru_rel_pos": True,
        }
        for name, value in fixed.items():
            if cfg.get(name, value) != value:
                raise ValueError(f"BEATs setting {name!r} is {cfg[name]!r}; only {value!r} is known here")
        if not cfg.get("finetuned_model", False):
            cfg = {name: value for name, value in cfg.items() if not name.startswith("predictor_")}
        known = {field.name for field in fields(cls)}
        return cls.from_dict({name: value for name, value in cfg.items() if name in known})


class _GatedAttention(nn.Module):
    """Self-attention whose relative bias each query opens or closes (Chi et al. 2022, eq. 4-7)."""

    def __init__(self, config: BEATsConfig, bias_table: nn.Embedding) -> None:
        super().__init__()
        dim, heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.heads = heads
        self.dropout = config.attention_dropout
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))
        self.relative_attention_bias = bias_table
        for projection in (self.q_proj, self.k_proj, self.v_proj):
            nn.init.xavier_uniform_(projection.weight, gain=2.0**-0.5)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def gate(self, query: Tensor) -> Tensor:
        """Unscaled queries (B, heads, T, d) to the factor on each query's bias, (B, heads, T, 1)."""
        first, second = self.grep_linear(query).unflatten(-1, (2, 4)).sum(-1).sigmoid().chunk(2, dim=-1)
        factor: Tensor = first * (second * self.grep_a - 1.0) + 2.0
        return factor

    def forward(self, x: Tensor, bias: Tensor, padded: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            x: tokens.
            bias: (heads, T, T), query then key.
            padded: (B, T), true for keys that nobody may attend to.
        """
        query, key, value = (
            split_heads(projection(x), self.heads) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        gate = self.gate(query)
        inferring = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if inferring and len(x) > 1 and x.device.type == "cpu":
            mixed = self._clip_by_clip(query, key, value, gate, bias, padded)
        else:
            dropout = self.dropout if self.training else 0.0
            mixed = attend(query, key, value, _closed(gate * bias, padded), dropout=dropout)
        out: Tensor = self.out_proj(merge_heads(mixed))
        return out

    def _clip_by_clip(
        self, query: Tensor, key: Tensor, value: Tensor, gate: Tensor, bias: Tensor, padded: Tensor | None
    ) -> Tensor:
        """The same for inference on a CPU, (B, heads, T, d).

        Every clip has gated biases of its own. One clip's fit into the processor's cache, a batch's do not; so they
        are written over and over into the memory of one.
        """
        room = torch.empty(1, *bias.shape, dtype=query.dtype)
        dropout = self.dropout if self.training else 0.0
        rows = []
        for clip in range(len(query)):
            one = slice(clip, clip + 1)
            scores = _closed(torch.mul(gate[one], bias, out=room), None if padded is None else padded[one])
            rows.append(attend(query[one], key[one], value[one], scores, dropout=dropout))
        return torch.cat(rows)


def _closed(scores: Tensor, padded: Tensor | None) -> Tensor:
    """Scores (B, heads, T, T) with no way to the keys that are `padded` (B, T)."""
    return scores if padded is None else scores.masked_fill(padded[:, None, None], float("-inf"))


class _Layer(nn.Module):
    """norm(a x + attention(x)), then norm(a x + feed-forward(x)), with a = (2 layers)^(1/4) (Wang et al. 2022)."""

    def __init__(self, config: BEATsConfig, bias_table: nn.Embedding) -> None:
        super().__init__()
        dim, hidden, layers = config.encoder_embed_dim, config.encoder_ffn_embed_dim, config.encoder_layers
        self.residual_scale = (2.0 * layers) ** 0.25
        self.self_attn = _GatedAttention(config, bias_table)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)
        # Deep-norm also shrinks what each branch starts with, or the scaled residual would not train.
        shrink = (8.0 * layers) ** -0.25
        for linear in (self.fc1, self.fc2):
            nn.init.xavier_normal_(linear.weight, gain=shrink)
            nn.init.zeros_(linear.bias)
        with torch.no_grad():
            self.self_attn.v_proj.weight.mul_(shrink)
            self.self_attn.out_proj.weight.mul_(shrink)

    def forward(self, x: Tensor, bias: Tensor, padded: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        mixed = self.dropout(self.self_attn(x, bias, padded))
        x = self.self_attn_layer_norm(torch.add(mixed, x, alpha=self.residual_scale))
        hidden = self.dropout(self.fc2(self.activation_dropout(F.gelu(self.fc1(x)))))
        out: Tensor = self.final_layer_norm(torch.add(hidden, x, alpha=self.residual_scale))
        return out


class _Encoder(nn.Module):
    """Positional convolution and the layers; all share one table of relative biases."""

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.max_distance = config.max_distance
        self.layer_drop = config.encoder_layerdrop
        self.pos_conv = nn.Sequential(PositionalConvolution(dim, config.conv_pos, config.conv_pos_groups))
        table = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        self.layers = nn.ModuleList(_Layer(config, table) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)

    def position(self, x: Tensor, padded: Tensor | None = None) -> Tensor:
        """(B, T, D) to the first layer's input (B, T, D); padded tokens do not reach their neighbours."""
        if padded is not None:
            x = x.masked_fill(padded[..., None], 0.0)
        out: Tensor = self.dropout(self.layer_norm(x + self.pos_conv(x)))
        return out

    def bias(self, tokens: int) -> Tensor:
        """The bias that all layers share, (heads, tokens, tokens)."""
        first = cast(_Layer, self.layers[0])
        return relative_bias(first.self_attn.relative_attention_bias.weight, tokens, self.max_distance)

    def forward(self, x: Tensor, padded: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x = self.position(x, padded)
        bias = self.bias(x.shape[1])
        out: Tensor = x
        for layer in self.layers:
            if not self.training or self.layer_drop == 0.0 or torch.rand(()).item() >= self.layer_drop:
                out = layer(out, bias, padded)
        return out


def coarsen_padding(padded: Tensor, length: int) -> Tensor:
    """(B, N) to (B, `length`): true where all of the N // length entries behind a place are padded.

    Entries beyond the last whole stretch are left out.
    """
    stretch = padded.shape[1] // length
    whole: Tensor = padded[:, : stretch * length].unflatten(1, (length, stretch))
    return whole.all(dim=-1)


class BEATs(nn.Module):
    """BEATs (Chen et al. 2022, "BEATs: Audio Pre-Training with Acoustic Tokenizers").

    Called on a waveform (B, N) at 16 kHz in [-1, 1], it returns tokens (B, T, D) of the last layer, time-major, eight
    to every 160 ms, 496 for ten seconds; there is no class token. Parameters bear the names of the published
    checkpoints. The front end is always computed in float32, the layers in the weights' dtype.

    >>> tokens = BEATs(BEATsConfig.tiny())(torch.zeros(2, 160_000))
    >>> tokens.shape
    torch.Size([2, 496, 192])
    """

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = beats_front_end()
        self.patch_embedding = PatchProjection(config.embed_dim, config.input_patch_size, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = (
            nn.Linear(config.embed_dim, config.encoder_embed_dim)
            if config.embed_dim != config.encoder_embed_dim
            else None
        )
        self.dropout_input = nn.Dropout(config.dropout_input)
        self.encoder = _Encoder(config)
        self.predictor = nn.Linear(config.encoder_embed_dim, config.predictor_class) if config.predictor_class else None
        self.predictor_dropout = nn.Dropout(config.predictor_dropout)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) to (B, T, D)."""
        return self.encode_fbank(self.front_end(waveform))

    def encode_fbank(self, fbank: Tensor, padded: Tensor | None = None) -> Tensor:
        """Normalised filter bank (B, frames, 128) to tokens (B, T, D); `padded` (B, T) marks tokens without sound."""
        out: Tensor = self.encoder(self.embed_patches(fbank), padded)
        return out

    def embed_patches(self, fbank: Tensor) -> Tensor:
        """Normalised filter bank (B, frames, 128) to the encoder's input (B, T, D)."""
        patch = self.config.input_patch_size
        if fbank.dim() != 3 or fbank.shape[1] < patch or fbank.shape[2] != 128:
            raise ValueError(
                f"the spectrogram has shape {tuple(fbank.shape)}; right would be (batch, at least {patch}, 128)"
            )
        x = self.layer_norm(self.patch_embedding(fbank.to(self.layer_norm.weight.dtype)))
        if self.post_extract_proj is not None:
            x = self.post_extract_proj(x)
        out: Tensor = self.dropout_input(x)
        return out

    def encode_padded(self, waveform: Tensor, padded: Tensor) -> tuple[Tensor, Tensor]:
        """Clips of unequal length, padded at the end, to tokens and the mask of those without sound.

        Args:
            waveform: (B, N).
            padded: (B, N), true where there is no sound.

        Returns:
            Tokens (B, T, D), and (B, T), true for tokens that are padding throughout.
        """
        if padded.shape != waveform.shape:
            raise ValueError(f"the padding mask is {tuple(padded.shape)}; right would be {tuple(waveform.shape)}")
        fbank = self.front_end(waveform)
        patch = self.config.input_patch_size
        tokens = (fbank.shape[1] // patch) * (fbank.shape[2] // patch)
        token_padded = coarsen_padding(coarsen_padding(padded, fbank.shape[1]), tokens)
        if token_padded.all(dim=1).any():
            raise ValueError("a clip of the batch is padding throughout; right would be some sound in every clip")
        return self.encode_fbank(fbank, token_padded), token_padded

    def predict(self, waveform: Tensor, padded: Tensor | None = None) -> Tensor:
        """Probability of each class of a fine-tuned checkpoint: (B, N) to (B, classes)."""
        if self.predictor is None:
            raise ValueError("this BEATs has no predictor; right would be a fine-tuned checkpoint")
        if padded is None:
            padded = torch.zeros_like(waveform, dtype=torch.bool)
        tokens, token_padded = self.encode_padded(waveform, padded)
        logits = self.predictor(self.predictor_dropout(tokens)).masked_fill(token_padded[..., None], 0.0)
        mean = logits.sum(dim=1) / (~token_padded).sum(dim=1, keepdim=True)
        return torch.sigmoid(mean)


def is_beats(names: Iterable[str]) -> bool:
    """Whether these names of a state dict are those of a BEATs encoder, complete or not."""
    return any(name.startswith("encoder.layers.") and ".self_attn." in name for name in names)


def from_reference(content: object, source: Path | str) -> BEATs:
    """Build the network from what `load_checkpoint` reads, `cfg` and `model`; `source` names it in an error."""
    cfg = content.get("cfg") if isinstance(content, Mapping) else None
    if not isinstance(cfg, Mapping):
        raise CheckpointError(
            f"checkpoint {source} is not a BEATs checkpoint: it has no 'cfg'; right would be a published .pt file"
        )
    try:
        config = BEATsConfig.from_reference(cfg)
    except ValueError as error:
        raise CheckpointError(f"checkpoint {source} cannot be used: {error}") from None
    with shapes_only():
        model = BEATs(config)
    load_weights(model, state_dict_of(content, Path(source)), source)
    return model.eval()


def load_checkpoint(path: Path | str) -> BEATs:
    """Build the encoder, and the predictor of a fine-tuned file, in float32 and evaluation mode.

    Args:
        path: a published `.pt` with `cfg` and `model`.

    Raises:
        CheckpointError: the file cannot be read, or keys are missing, unexpected or misshapen.
    """
    return from_reference(read_file(Path(path)), path)
