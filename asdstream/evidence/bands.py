"""Sound as levels in third-octave bands over time."""

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE

FRAME = 2_048
STEP = 1_024
FLOOR_DB = -120.0
"""Of full scale: under the noise of any microphone, so that digital silence has a level too."""
_CENTRES = 1_000.0 * 10.0 ** (np.arange(-10, 9) / 10.0)
EDGES_HZ: NDArray[np.float64] = np.concatenate(
    [[45.0, 71.0], _CENTRES[:1] * 10.0**-0.05, _CENTRES * 10.0**0.05, [SAMPLE_RATE / 2.0]]
)
"""Of 22 bands: third octaves (IEC 61260, base 10) from 89 Hz on; below that two wider ones, for a frame resolves 8 Hz;
at the top what is left."""


def band_levels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels in dB of full scale, (frames, 22), every 64 ms, of 16 kHz mono `samples` (n,) of at least 128 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    window = np.hanning(FRAME).astype(np.float32)
    spectra = np.fft.rfft(frames * window, axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    limits = np.round(EDGES_HZ * FRAME / SAMPLE_RATE).astype(int)
    sums = np.add.reduceat(power[:, : limits[-1]], limits[:-1], axis=1)
    # A sine of full scale, which is -3 dB, has this power in its few bins.
    full_scale = np.float32(FRAME * np.square(window).sum() / 2.0)
    return np.asarray(10.0 * np.log10(sums / full_scale + 10.0 ** (FLOOR_DB / 10.0)), np.float32)
