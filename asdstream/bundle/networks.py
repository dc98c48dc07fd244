"""The networks that a bundle may hold, laid out from configurations that nobody vouches for.

A network is laid out without memory before its weights are compared with it (and so that initial values which they
replace are never drawn: seconds at the base size), and every size has a limit, so that a hostile configuration costs
neither memory nor hours, here or when sound comes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import JsonValue
from torch import Tensor, nn

from asdstream.bundle.contents import Branch, FusedBranch
from asdstream.bundle.errors import listing, refuse
from asdstream.bundle.files import MANIFEST, read_tensors
from asdstream.errors import AsdstreamError
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from asdstream.models.checkpoint import shapes_only
from asdstream.models.fbank import MEL_BANDS
from asdstream.models.fusion import AttentiveFusion, MeanFusion
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE, decoder_state
from asdstream.models.pooling import BandPooling, MeanPooling
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig

Config = Mapping[str, JsonValue]
Encoder = AudioMAE | BEATs
Network = TypeVar("Network", bound=nn.Module)
MAX_TOKENS = 4096
"""Per window; AudioMAE has 512. Attention takes memory by its square."""


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Network]):
    """A network that can be configured; `limits` are the least and largest value of each setting."""

    limits: Mapping[str, tuple[float, float]]
    make: Callable[[Config], Network]


def _audiomae(config: Config) -> AudioMAE:
    settings = AudioMAEConfig.from_dict(config)
    if settings.tokens > MAX_TOKENS:
        raise ValueError(f"it makes {settings.tokens} tokens of a window; at most {MAX_TOKENS} is expected")
    return AudioMAE(settings)


_ENCODERS: Mapping[str, _Kind[Encoder]] = {
    "audiomae": _Kind(
        {
            "depth": (1, 64),
            "heads": (1, 64),
            "embed_dim": (1, 4096),
            "mlp_ratio": (0.1, 16),
            "frames": (1, 8192),
            "mels": (1, 512),
            "patch": (1, 128),
        },
        _audiomae,
    ),
    "beats": _Kind(
        {
            "encoder_layers": (1, 64),
            "encoder_embed_dim": (1, 4096),
            "encoder_ffn_embed_dim": (1, 16_384),
            "encoder_attention_heads": (1, 64),
            "embed_dim": (1, 4096),
            "input_patch_size": (8, 128),
            "conv_pos": (1, 1024),
            "conv_pos_groups": (1, 1024),
            "num_buckets": (1, 4096),
            "max_distance": (1, 100_000),
            "predictor_class": (0, 100_000),
        },
        lambda config: BEATs(BEATsConfig.from_dict(config)),
    ),
}
_DECODER: Mapping[str, tuple[float, float]] = {
    "embed_dim": (1, 4096),
    "depth": (1, 64),
    "heads": (1, 64),
    "mlp_ratio": (0.1, 16),
}
_SEPARATORS: Mapping[str, _Kind[TFGridNet]] = {
    "tfgridnet": _Kind(
        {
            "width": (1, 512),
            "blocks": (1, 32),
            "hidden": (1, 2048),
            "kernel": (1, 64),
            "stride": (1, 64),
            "heads": (1, 64),
            "key_channels": (1, 512),
            "n_fft": (64, 8192),
            "hop": (32, 4096),
            "sources": (1, 8),
            "eps": (1e-12, 1),
        },
        lambda config: TFGridNet(TFGridNetConfig.from_dict(config)),
    ),
}


@dataclass(frozen=True, slots=True)
class TokenShape:
    """An encoder's tokens: `width` D, patches along frequency, and whether a class token comes first."""

    width: int
    bands: int
    class_token: bool


def lay_out_encoder(path: Path, name: str, kind: str, config: Config) -> Encoder:
    """The encoder that an entry of the manifest configures, on the meta device: shapes without numbers."""
    return _lay_out(path, f"encoder {name!r}", _ENCODERS, kind, config)


def lay_out_masked(path: Path, name: str, kind: str, config: Config, decoder: Config) -> MaskedAudioMAE:
    """As `lay_out_encoder`, with the decoder that an entry of the manifest configures."""
    lay_out_encoder(path, name, kind, config)

    def make(settings: Config) -> MaskedAudioMAE:
        return MaskedAudioMAE(AudioMAEConfig.from_dict(config), DecoderConfig.from_dict(settings))

    return _lay_out(path, f"the decoder of encoder {name!r}", {"audiomae": _Kind(_DECODER, make)}, kind, decoder)


def lay_out_separator(path: Path, name: str, kind: str, config: Config) -> TFGridNet:
    """The separator that an entry of the manifest configures, on the meta device."""
    return _lay_out(path, f"separator {name!r}", _SEPARATORS, kind, config)


def _lay_out(path: Path, what: str, kinds: Mapping[str, _Kind[Network]], kind: str, config: Config) -> Network:
    if kind not in kinds:
        refuse(path, f"{MANIFEST}: {what} is of kind {kind!r}; this version of asdstream has {listing(kinds)}")
    for key, (least, most) in kinds[kind].limits.items():
        value = config.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            refuse(path, f"{MANIFEST}: {what}: {key} is {str(value)[:40]}; {least:g} to {most:g} is expected")
    try:
        with shapes_only():
            return kinds[kind].make(config)
    except (TypeError, ValueError, KeyError, RuntimeError, AsdstreamError) as error:
        refuse(path, f"{MANIFEST}: the configuration of {what} is not usable ({str(error)[:400]})", error)


def token_shape(encoder: Encoder) -> TokenShape:
    """What comes out of an encoder, laid out or built."""
    if isinstance(encoder, AudioMAE):
        return TokenShape(encoder.config.embed_dim, encoder.config.bands, class_token=True)
    bands = MEL_BANDS // encoder.config.input_patch_size
    return TokenShape(encoder.config.encoder_embed_dim, bands, class_token=False)


def make_head(
    path: Path, branch: Branch | FusedBranch, tokens: Mapping[str, TokenShape], attention_dim: int | None
) -> nn.Module:
    """As `new_head`, for a bundle at `path`: on the meta device, and what does not fit is a BundleError."""
    try:
        with shapes_only():
            return new_head(branch, tokens, attention_dim)
    except ValueError as error:
        refuse(path, f"{MANIFEST}: {error}", error)


def new_head(
    branch: Branch | FusedBranch, tokens: Mapping[str, TokenShape], attention_dim: int | None = None
) -> nn.Module:
    """What makes the embeddings (B, D) of `branch` from the tokens of its encoders, which it is called with in order.

    Its loudness is not among that. `tokens` is by encoder. `attention_dim` is the hidden width of an attentive fusion,
    whose attention starts at random. Raises ValueError for tokens that cannot be fused.
    """
    shapes = [tokens[encoder] for encoder in branch.encoders]
    match branch:
        case Branch(pooling="bands"):
            return BandPooling(shapes[0].bands, class_token=shapes[0].class_token)
        case Branch():
            return MeanPooling(class_token=shapes[0].class_token)
        case FusedBranch(fusion="mean"):
            return MeanFusion(bands=_bands(branch, shapes))
        case FusedBranch():
            if attention_dim is None:
                raise ValueError(f"branch {branch.name!r} is fused attentively; its attention is missing")
            if shapes[0].width != shapes[1].width:
                widths = f"{shapes[0].width} and {shapes[1].width}"
                raise ValueError(f"branch {branch.name!r} fuses tokens {widths} wide; one width is needed")
            return AttentiveFusion(
                shapes[0].width,
                attention_dim,
                deviation=branch.fusion == "attentive-statistics",
                bands=_bands(branch, shapes),
            )


def embedding_size(branch: Branch | FusedBranch, tokens: Mapping[str, TokenShape]) -> int:
    """D of the embeddings of `branch`."""
    shapes = [tokens[encoder] for encoder in branch.encoders]
    match branch:
        case FusedBranch(fusion="mean"):
            width = shapes[0].width + shapes[1].width
        case FusedBranch(fusion="attentive-statistics"):
            width = 2 * shapes[0].width
        case _:
            width = shapes[0].width
    return _bands(branch, shapes) * width + (MEL_BANDS if branch.loudness else 0)


def _bands(branch: Branch | FusedBranch, shapes: Sequence[TokenShape]) -> int:
    """How many parts of an embedding look at frequencies of their own."""
    if branch.pooling == "mean":
        return 1
    found = {shape.bands for shape in shapes}
    if len(found) > 1:
        raise ValueError(
            f"branch {branch.name!r} keeps bands, and its encoders have {listing(map(str, sorted(found)))}"
        )
    return shapes[0].bands


def read_weights(path: Path, file: str, sha256: str, network: nn.Module) -> dict[str, Tensor]:
    """The verified tensors of `file`, which are those of `network`, no more and no less."""
    return _read(path, file, sha256, network.state_dict())


def read_decoder(path: Path, file: str, sha256: str, network: MaskedAudioMAE) -> dict[str, Tensor]:
    """As `read_weights`, of the decoder alone."""
    return _read(path, file, sha256, decoder_state(network.state_dict()))


def _read(path: Path, file: str, sha256: str, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = read_tensors(path, file, sha256)
    expected = {key: tuple(tensor.shape) for key, tensor in wanted.items()}
    for key in sorted(expected.keys() - weights.keys()):
        refuse(path, f"{file}: {key} is missing; its configuration in {MANIFEST} asks for it")
    for key in sorted(weights.keys() - expected.keys()):
        refuse(path, f"{file}: {key[:80]} is not part of the network that {MANIFEST} configures")
    for key, shape in expected.items():
        if tuple(weights[key].shape) != shape:
            refuse(path, f"{file}: {key} has shape {tuple(weights[key].shape)} where {shape} is expected")
    return weights


def fill(network: Network, weights: Mapping[str, Tensor]) -> Network:
    """Give a laid-out network its weights: on the CPU, in float32 and evaluation mode, without gradients."""
    network.load_state_dict({key: tensor.float() for key, tensor in weights.items()}, strict=True, assign=True)
    network.eval().requires_grad_(requires_grad=False)
    return network
