"""The log-mel spectrogram that the autoencoder of DCASE Task 2 hears through, with the conventions of librosa."""

from functools import lru_cache

import torch
from torch import Tensor

SAMPLE_RATE = 16_000
FFT_LENGTH = 1024
"""64 ms."""
HOP_LENGTH = 512
MEL_BANDS = 128
POWER_FLOOR = torch.finfo(torch.float64).eps

_LINEAR_BELOW_HZ = 1000.0
_MEL_PER_HZ = 3.0 / 200.0
_MEL_PER_LOG_HZ = 27.0 / torch.log(torch.tensor(6.4, dtype=torch.float64))


def log_mel(samples: Tensor) -> Tensor:
    """Mel power in decibels (T, 128) of a 16 kHz mono clip (n,), T = 1 + n // 512.

    Periodic Hann window, frames centred with zeros beyond the ends, power spectrum, 128 triangles from 0 Hz to Nyquist
    on Slaney's mel scale, each of unit area, floored at float64's epsilon.

    Raises:
        ValueError: the clip is not one row of samples, or is empty.
    """
    if samples.dim() != 1 or not len(samples):
        raise ValueError(f"samples have shape {tuple(samples.shape)}; right would be one row of at least one")
    window = torch.hann_window(FFT_LENGTH, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(
        samples, FFT_LENGTH, HOP_LENGTH, window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    energies = power.T @ mel_triangles().to(samples)
    decibels: Tensor = 10.0 * energies.clamp_min(POWER_FLOOR).log10()
    return decibels


@lru_cache(maxsize=1)
def mel_triangles() -> Tensor:
    """The filter bank (513, 128), float64."""
    edges = _hertz(torch.linspace(0.0, float(_mel(torch.tensor(SAMPLE_RATE / 2))), MEL_BANDS + 2, dtype=torch.float64))
    bins = torch.linspace(0.0, SAMPLE_RATE / 2, FFT_LENGTH // 2 + 1, dtype=torch.float64)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0.0) * 2.0 / (edges[2:] - edges[:-2])


def _mel(hertz: Tensor) -> Tensor:
    """Slaney's scale: linear up to 1 kHz, logarithmic above."""
    hertz = hertz.double()
    above = _LINEAR_BELOW_HZ * _MEL_PER_HZ + _MEL_PER_LOG_HZ * torch.log(hertz / _LINEAR_BELOW_HZ)
    return torch.where(hertz < _LINEAR_BELOW_HZ, hertz * _MEL_PER_HZ, above)


def _hertz(mel: Tensor) -> Tensor:
    corner = _LINEAR_BELOW_HZ * _MEL_PER_HZ
    above = _LINEAR_BELOW_HZ * torch.exp((mel - corner) / _MEL_PER_LOG_HZ)
    return torch.where(mel < corner, mel / _MEL_PER_HZ, above)
