"""The Kaldi mel filter bank that both encoders hear through, for a whole batch at once and on the waveform's device.

Steps of each 25 ms frame (one every 10 ms, only frames that fit whole): remove the mean, pre-emphasise by 0.97, apply
the window, 512-point power spectrum, 128 triangular mel bands from 20 Hz to Nyquist, natural logarithm. No dither.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE = 16_000
FRAME_LENGTH = 400
FRAME_SHIFT = 160
FFT_LENGTH = 512
MEL_BANDS = 128
LOWEST_HZ = 20.0
PRE_EMPHASIS = 0.97
CLIPS_AT_ONCE = 4
"""On a CPU a larger batch spills its intermediate results out of the cache and takes about twice as long a clip."""
POWER_FLOOR = torch.finfo(torch.float32).eps

WindowShape = Literal["povey", "hanning"]


def frame_count(samples: int) -> int:
    """Number of whole frames in `samples` samples: 998 for ten seconds."""
    return max(0, 1 + (samples - FRAME_LENGTH) // FRAME_SHIFT)


@lru_cache(maxsize=16)
def _frame_window(shape: WindowShape, device: torch.device) -> Tensor:
    """The symmetric Hann window, or Povey's 0.85th power of it, (400,). Its first value is zero."""
    # A table made under inference mode could never take part in a training step.
    with torch.inference_mode(False):
        hann = torch.hann_window(FRAME_LENGTH, periodic=False, dtype=torch.float64, device="cpu")
        return (hann if shape == "hanning" else hann**0.85).to(device, torch.float32)


@lru_cache(maxsize=8)
def _mel_weights(device: torch.device) -> Tensor:
    """Triangles on Kaldi's mel scale, 1127 ln(1 + f/700), (257, 128); the Nyquist bin belongs to none."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    with torch.inference_mode(False):
        lowest, highest = mel(torch.tensor([LOWEST_HZ, SAMPLE_RATE / 2], dtype=torch.float64, device="cpu")).tolist()
        step = (highest - lowest) / (MEL_BANDS + 1)
        bins = torch.arange(FFT_LENGTH // 2 + 1, dtype=torch.float64, device="cpu") * (SAMPLE_RATE / FFT_LENGTH)
        left = lowest + step * torch.arange(MEL_BANDS, dtype=torch.float64, device="cpu")
        rising = (mel(bins)[:, None] - left) / step
        weights = torch.minimum(rising, 2.0 - rising).clamp_min(0.0)
        weights[-1] = 0.0
        return weights.to(device, torch.float32)


def mel_edges(together: int) -> tuple[float, ...]:
    """Where groups of so many neighbouring mel bands begin and end, in Hz: half way between two bands' middles."""
    inner = (_hertz(band - 0.5) for band in range(together, MEL_BANDS, together))
    return (LOWEST_HZ, *inner, SAMPLE_RATE / 2)


def emphasis() -> Tensor:
    """Factor (128,) by which pre-emphasis changes the power in the middle of each mel band."""
    angle = 2.0 * math.pi / SAMPLE_RATE * torch.tensor([_hertz(band) for band in range(MEL_BANDS)], device="cpu")
    return 1.0 + PRE_EMPHASIS**2 - 2.0 * PRE_EMPHASIS * angle.cos()


def _hertz(band: float) -> float:
    """The middle of a mel band, counted from 0, or what lies between two."""
    lowest, highest = (1127.0 * math.log1p(hertz / 700.0) for hertz in (LOWEST_HZ, SAMPLE_RATE / 2))
    return 700.0 * math.expm1((lowest + (highest - lowest) / (MEL_BANDS + 1) * (band + 1)) / 1127.0)


def kaldi_fbank(waveform: Tensor, *, window: WindowShape, scale: float = 1.0) -> Tensor:
    """Log-mel energies of a batch of clips, equal to Kaldi's `fbank` with dither 0.

    Args:
        waveform: (B, N) at 16 kHz, nominally in [-1, 1].
        window: shape of the frame window.
        scale: factor on the waveform before anything else; Kaldi's own convention is 2^15.

    Returns:
        (B, T, 128) float32 with T = 1 + (N - 400) // 160, whatever the dtype of the waveform or an autocast around it.

    Raises:
        ValueError: the waveform is not two-dimensional or is shorter than one frame.
    """
    (fbank,) = kaldi_fbanks(waveform, [(window, scale)])
    return fbank


def kaldi_fbanks(waveform: Tensor, settings: Sequence[tuple[WindowShape, float]]) -> list[Tensor]:
    """As `kaldi_fbank`, for several windows and scales at once; the frames, which they share, are made once."""
    if waveform.dim() != 2 or waveform.shape[1] < FRAME_LENGTH:
        raise ValueError(
            f"waveform has shape {tuple(waveform.shape)}; right would be (batch, samples) with at least "
            f"{FRAME_LENGTH} samples"
        )
    with torch.autocast(waveform.device.type, enabled=False):
        signal = waveform.float()
        if signal.device.type != "cpu" or len(signal) <= CLIPS_AT_ONCE:
            return _log_mels(signal, settings)
        parts = [_log_mels(part, settings) for part in signal.split(CLIPS_AT_ONCE)]
        return [torch.cat(fbanks) for fbanks in zip(*parts, strict=True)]


def _log_mels(signal: Tensor, settings: Sequence[tuple[WindowShape, float]]) -> list[Tensor]:
    frames = _frames(signal)
    return [_log_mel(frames, window, scale) for window, scale in settings]


def _frames(signal: Tensor) -> Tensor:
    """(B, N) float32 to (B, T, 399): pre-emphasised, without their mean, and without the sample that windows zero."""
    # Removing a frame's mean m and then pre-emphasising equals pre-emphasising the whole signal once and then taking
    # (1 - 0.97) m off every sample of the frame but its first, which the window zeroes. That first sample is left out:
    # the power spectrum does not change when the other 399 start one place earlier.
    emphasised = torch.sub(signal[:, 1:], signal[:, :-1], alpha=PRE_EMPHASIS)
    means = F.avg_pool1d(signal[:, None], FRAME_LENGTH, FRAME_SHIFT)[:, 0]
    return emphasised.unfold(1, FRAME_LENGTH - 1, FRAME_SHIFT) - means[..., None] * (1.0 - PRE_EMPHASIS)


def _log_mel(frames: Tensor, window: WindowShape, scale: float) -> Tensor:
    """Frames (B, T, 399) to (B, T, 128)."""
    # The scale is taken into the window, which is small; a power of two, as Kaldi's is, changes no digit.
    tapered = frames * (_frame_window(window, frames.device)[1:] * scale)
    spectrum = torch.fft.rfft(F.pad(tapered, (0, FFT_LENGTH - FRAME_LENGTH + 1)))
    power = spectrum.real.square() + spectrum.imag.square()
    energies: Tensor = power @ _mel_weights(frames.device)
    return energies.clamp_min(POWER_FLOOR).log()


class FbankFrontEnd(nn.Module):
    """Waveform to normalised mel spectrogram: (fbank - mean) / (2 deviation), always float32.

    It has no parameters and nothing in the state dict; its tables are constants, kept once per device. `frames` cuts
    or zero-pads the raw filter bank to a fixed length before it is normalised, as AudioMAE was trained.
    """

    def __init__(
        self, window: WindowShape, scale: float, mean: float, deviation: float, frames: int | None = None
    ) -> None:
        super().__init__()
        if deviation <= 0.0:
            raise ValueError(f"deviation is {deviation}; right would be a positive number")
        self.window: WindowShape = window
        self.scale = scale
        self.mean = mean
        self.deviation = deviation
        self.frames = frames

    @property
    def setting(self) -> tuple[WindowShape, float]:
        """All that the raw filter bank depends on; front ends that have it in common may share one."""
        return self.window, self.scale

    @property
    def pad_value(self) -> float:
        """What an all-zero raw frame becomes after normalisation."""
        return -self.mean / (2.0 * self.deviation)

    def fbank(self, waveform: Tensor) -> Tensor:
        """(B, N) to the raw filter bank (B, T, 128); each frame depends on its own 400 samples only."""
        return kaldi_fbank(waveform, window=self.window, scale=self.scale)

    def normalise(self, fbank: Tensor) -> Tensor:
        """(B, T, 128) raw to (B, `frames` or T, 128) normalised."""
        if self.frames is not None:
            fbank = F.pad(fbank, (0, 0, 0, self.frames - fbank.shape[1]))
        return self.normalise_frames(fbank)

    def normalise_frames(self, fbank: Tensor) -> Tensor:
        """(..., 128) raw to (..., 128) normalised: as many frames, each on its own."""
        return (fbank - self.mean) / (2.0 * self.deviation)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) in [-1, 1] at 16 kHz to (B, `frames` or T, 128)."""
        return self.normalise(self.fbank(waveform))

    def extra_repr(self) -> str:
        return f"window={self.window!r}, scale={self.scale:g}, mean={self.mean}, deviation={self.deviation}"


def shared_front_ends(waveform: Tensor, front_ends: Sequence[FbankFrontEnd]) -> list[Tensor]:
    """What each of `front_ends` makes of (B, N), in order; whatever two of them have in common is computed once."""
    settings = list(dict.fromkeys(end.setting for end in front_ends))
    fbanks = dict(zip(settings, kaldi_fbanks(waveform, settings), strict=True))
    return [end.normalise(fbanks[end.setting]) for end in front_ends]


def audiomae_front_end(frames: int = 1024) -> FbankFrontEnd:
    """AudioMAE's front end: Hann window, AudioSet statistics, 1024 frames (Huang et al. 2022)."""
    return FbankFrontEnd("hanning", 1.0, mean=-4.2677393, deviation=4.5689974, frames=frames)


def beats_front_end() -> FbankFrontEnd:
    """BEATs' front end: 16-bit scale, Povey window, as many frames as the clip has (Chen et al. 2022)."""
    return FbankFrontEnd("povey", float(2**15), mean=15.41663, deviation=6.55582)
