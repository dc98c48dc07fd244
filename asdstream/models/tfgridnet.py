"""TF-GridNet: separates a machine's sound from what surrounds it, by mapping one complex spectrum to others."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import count, takewhile
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asdstream.models.checkpoint import load_weights
from asdstream.models.gridnet_block import GridNetBlock

VERSIONS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class TFGridNetConfig:
    """Sizes of a TF-GridNet; the letters in brackets are the paper's.

    Attributes:
        width: channels of each time-frequency unit (D).
        blocks: number of blocks (B).
        hidden: LSTM units in each direction (H).
        kernel: neighbouring units that enter an LSTM together (I).
        stride: distance between such groups (J).
        heads: attention heads (L).
        key_channels: channels of queries and keys per head and frequency (E).
        n_fft: samples of the analysis window, a periodic Hann window.
        hop: samples between frames; at most half the window.
        sources: waveforms to estimate.
        version: 1 leaves the borders unpadded and always undoes groups by a transposed convolution; 2 pads them and
            uses a linear layer where groups do not overlap; 3 normalises over channels alone, so that the weights
            serve any `n_fft`.
        eps: added to the variance in every norm.
    """

    width: int
    blocks: int
    hidden: int
    kernel: int = 4
    stride: int = 4
    heads: int = 4
    key_channels: int = 2
    n_fft: int = 512
    hop: int = 128
    sources: int = 1
    version: int = 2
    eps: float = 1e-5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = (int, float) if field.name == "eps" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
                raise ValueError(f"TF-GridNet's {field.name} is {value!r}; right would be a positive number")
        if self.version not in VERSIONS:
            raise ValueError(f"TF-GridNet's version is {self.version}; right would be 1, 2 or 3")
        if self.n_fft % 2 or self.hop > self.n_fft // 2:
            raise ValueError(
                f"TF-GridNet's window of {self.n_fft} samples and hop of {self.hop} do not add up to a signal again; "
                "right would be an even window and a hop of at most half of it"
            )

    @classmethod
    def tiny(cls) -> Self:
        """Needs less than a tenth of one CPU core: 32 ms frames every 16 ms, 0.35 million numbers."""
        return cls(width=16, blocks=2, hidden=64, hop=256)

    @classmethod
    def base(cls) -> Self:
        """The paper's size for noisy, reverberant sound at 16 kHz: 5.6 million numbers. Meant for a GPU."""
        return cls(width=48, blocks=4, hidden=192, stride=1)

    @property
    def bands(self) -> int:
        """Frequencies of the spectrum: n_fft / 2 + 1."""
        return self.n_fft // 2 + 1

    def to_dict(self) -> dict[str, int | float]:
        """As plain numbers, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The inverse of `to_dict`; a ValueError names a key that is missing, unknown or not a positive number."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"unknown TF-GridNet setting {unknown[0]!r}; known are {', '.join(known)}")
        if missing := sorted({"width", "blocks", "hidden"} - set(values)):
            raise ValueError(f"TF-GridNet setting {missing[0]!r} is missing")
        return cls(**values)  # type: ignore[arg-type]


class TFGridNet(nn.Module):
    """Complex spectral mapping by integrating full-band and sub-band modelling.

    Z.-Q. Wang, S. Cornell, S. Choi, Y. Lee, B.-Y. Kim and S. Watanabe, "TF-GridNet: Integrating Full- and Sub-Band
    Modeling for Speech Separation", IEEE/ACM TASLP 31 (2023).

    Called on waveforms (B, N) of any length, it returns estimates (B, sources, N), float32. Each clip is divided by
    its standard deviation and the estimate multiplied by it, so a gain on the input is the same gain on the output,
    and silence gives silence. The Fourier transforms are always float32, the blocks run in the weights' dtype.

    >>> estimate = TFGridNet(TFGridNetConfig.tiny())(torch.randn(2, 16_000))
    >>> estimate.shape
    torch.Size([2, 1, 16000])
    """

    def __init__(self, config: TFGridNetConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Sequential(
            nn.Conv2d(2, config.width, kernel_size=3, padding=1), nn.GroupNorm(1, config.width, eps=config.eps)
        )
        self.blocks = nn.ModuleList(
            GridNetBlock(
                config.width,
                config.kernel,
                config.stride,
                config.hidden,
                config.heads,
                config.key_channels,
                None if config.version == 3 else config.bands,
                config.eps,
                edge_padding=config.version > 1,
                dense_groups=config.version > 1,
            )
            for _ in range(config.blocks)
        )
        self.deconv = nn.ConvTranspose2d(config.width, 2 * config.sources, kernel_size=3, padding=1)

    def forward(self, waveform: Tensor, begin: int = 0) -> Tensor:
        """(B, N) to (B, sources, N - begin), the estimates from sample `begin` on.

        The blocks hear nothing before `begin` and cost accordingly less. What is measured over a whole clip, its level
        and the first norm's mean and variance, is still measured over all of it: a part is treated as it would be
        within the whole.

        Raises:
            ValueError: the waveform is not two-dimensional, holds no samples, or has no sample `begin`.
        """
        if waveform.dim() != 2 or 0 in waveform.shape or not waveform.is_floating_point():
            raise ValueError(
                f"waveform has shape {tuple(waveform.shape)} and type {waveform.dtype}; right would be floating point "
                "of shape (batch, samples), neither of them zero"
            )
        samples, first = waveform.shape[1], begin // self.config.hop
        if not 0 <= begin < samples:
            raise ValueError(f"sample {begin} is to be the first of {samples}; right would be 0 to {samples - 1}")
        with torch.autocast(waveform.device.type, enabled=False):
            level, normalised = _normalise(waveform.float())
            mixture = self.analyse(normalised)
        estimate = self.separate_spectrum(mixture, first)
        with torch.autocast(waveform.device.type, enabled=False):
            from_first = self.synthesise(estimate, samples - first * self.config.hop)
            return from_first[..., begin - first * self.config.hop :] * level[..., None]

    def separate_spectrum(self, spectrum: Tensor, first: int = 0) -> Tensor:
        """Complex spectrum (B, T, F) of a clip of unit deviation to the sources' (B, sources, T - first, F), complex64.

        The blocks hear the frames from `first` on alone. Versions 1 and 2 are made for F = n_fft / 2 + 1; version 3
        takes any F.
        """
        if spectrum.dim() != 3 or 0 in spectrum.shape or not spectrum.is_complex():
            raise ValueError(
                f"spectrum has shape {tuple(spectrum.shape)} and type {spectrum.dtype}; right would be complex of "
                "shape (batch, frames, frequencies)"
            )
        if self.config.version < 3 and spectrum.shape[2] != self.config.bands:
            raise ValueError(f"spectrum has {spectrum.shape[2]} frequencies; right would be {self.config.bands}")
        # Real and imaginary part lie side by side in memory, which is the order that convolutions take least time for.
        parts = torch.view_as_real(spectrum.contiguous()).to(self.deconv.weight.dtype)
        x = self.conv(parts.permute(0, 3, 1, 2))[:, :, first:].permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        found = self.deconv(x.permute(0, 3, 1, 2)).float().unflatten(1, (-1, 2))
        return torch.complex(found[:, :, 0], found[:, :, 1])

    def analyse(self, waveform: Tensor) -> Tensor:
        """(B, N) float32 to its spectrum (B, T, F); frames are centred, the borders reflected."""
        n_fft, hop = self.config.n_fft, self.config.hop
        samples = waveform.shape[1]
        wanted = max(samples, n_fft // 2 + 1)  # the least that can be reflected by half a window
        # Samples far from the last frame's centre would be divided by next to nothing in synthesis; one more frame
        # covers them.
        if wanted % hop > 3 * n_fft // 8:
            wanted += hop - wanted % hop
        waveform = F.pad(waveform, (0, wanted - samples))
        return torch.stft(waveform, n_fft, hop, window=self._window(waveform), return_complex=True).transpose(1, 2)

    def synthesise(self, spectrum: Tensor, samples: int) -> Tensor:
        """(B, sources, T, F) complex64 to waveforms (B, sources, samples), the inverse of `analyse`."""
        n_fft, hop = self.config.n_fft, self.config.hop
        window = self._window(spectrum)
        frames = spectrum.flatten(0, 1).transpose(1, 2)
        waveform: Tensor = torch.istft(frames, n_fft, hop, window=window, length=samples)
        return waveform.view(*spectrum.shape[:2], samples)

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.config.n_fft, device=like.device)


def _normalise(waveform: Tensor) -> tuple[Tensor, Tensor]:
    """Each clip's standard deviation (B, 1), unbiased, and the clip divided by it; silence stays as it is."""
    if waveform.shape[1] == 1:
        return torch.zeros_like(waveform), waveform
    level = waveform.std(dim=1, keepdim=True)
    return level, waveform / torch.where(level > 0.0, level, 1.0)


def from_reference(cfg: Mapping[str, object], state_dict: Mapping[str, Tensor]) -> TFGridNet:
    """Build a network from what ESPnet's three separators are made of; in float32 and evaluation mode.

    Args:
        cfg: the separator's constructor arguments under ESPnet's names; those left out have ESPnet's defaults.
            Version 3, which takes spectra there, may be told `n_fft` and `stride` for its use on waveforms.
        state_dict: the separator's parameters. They tell which version it is.

    Raises:
        ValueError: an option has a value that is not supported.
        CheckpointError: keys are missing, unexpected or misshapen.
    """
    config = _config_from_reference(cfg, _version_of(cfg, state_dict))
    with torch.device("meta"):
        model = TFGridNet(config)
    load_weights(model, _join_heads(state_dict), "the reference's state dict")
    return model.eval()


def _version_of(cfg: Mapping[str, object], state: Mapping[str, Tensor]) -> int:
    if "attn_qk_output_channel" in cfg:
        return 3
    if "blocks.0.attn_conv_Q_0.0.weight" in state:
        return 1
    gamma = state.get("blocks.0.attn_concat_proj.2.gamma")
    return 3 if gamma is not None and gamma.shape[-1] == 1 else 2


def _config_from_reference(cfg: Mapping[str, object], version: int) -> TFGridNetConfig:
    for name, right in (("n_imics", 1), ("window", "hann"), ("activation", "prelu")):
        if cfg.get(name, right) != right:
            raise ValueError(f"TF-GridNet's {name} is {cfg[name]!r}; only {right!r} is supported")

    def number(name: str, default: int) -> int:
        value = cfg.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"TF-GridNet's {name} is {value!r}; right would be a positive whole number")
        return value

    eps = cfg.get("eps", 1e-5)
    if not isinstance(eps, float):
        raise ValueError(f"TF-GridNet's eps is {eps!r}; right would be a small positive number")  # noqa: TRY004
    n_fft = number("n_fft", 128)
    if version == 3:
        key_channels = number("attn_qk_output_channel", 4)
    else:
        # The size of a whole frame's key is given, and shared out among its frequencies.
        key_channels = math.ceil(number("attn_approx_qk_dim", 512) / (n_fft // 2 + 1))
    return TFGridNetConfig(
        width=number("emb_dim", 48),
        blocks=number("n_layers", 6),
        hidden=number("lstm_hidden_units", 192),
        kernel=number("emb_ks", 4),
        stride=number("emb_hs", 1),
        heads=number("attn_n_head", 4),
        key_channels=key_channels,
        n_fft=n_fft,
        hop=number("stride", 64),
        sources=number("n_srcs", 2),
        version=version,
        eps=eps,
    )


def _join_heads(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Version 2's names and shapes for version 1, which keeps heads apart and its norms as (1, C, 1, 1)."""
    joined: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if norm := re.fullmatch(r"(blocks\.\d+\.int(?:ra|er)_norm)\.(gamma|beta)", name):
            joined[f"{norm[1]}.{'weight' if norm[2] == 'gamma' else 'bias'}"] = tensor.flatten()
        elif part := re.fullmatch(r"(blocks\.\d+\.attn_)conv_([QKV])_(\d+)\.([012])\.(\w+)", name):
            if part[3] != "0":
                continue
            names = (f"{part[1]}conv_{part[2]}_{head}.{part[4]}.{part[5]}" for head in count())
            each = [state[of_head] for of_head in takewhile(state.__contains__, names)]
            match part[4]:
                case "0":
                    joined[f"{part[1]}conv_{part[2]}.{part[5]}"] = torch.cat(each)
                case "1":
                    joined[f"{part[1]}norm_{part[2]}.act.{part[5]}"] = torch.cat(each)
                case _:
                    joined[f"{part[1]}norm_{part[2]}.{part[5]}"] = torch.stack(each, dim=1)
        else:
            joined[name] = tensor
    return joined
