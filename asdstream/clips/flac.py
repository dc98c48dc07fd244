"""16 kHz mono as FLAC."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE


def flac_of(samples: NDArray[np.int16]) -> bytes:
    """16-bit `samples` (n,) as FLAC."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def shortened(flac: bytes, most: int, keep_s: float) -> tuple[bytes, float]:
    """`flac` in at most `most` bytes, and how many seconds were cut off its beginning.

    What is left is whatever fits around the second `keep_s`.
    """
    if len(flac) <= most:
        return flac, 0.0
    samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16")
    kept = len(samples)
    while len(flac) > most and kept > SAMPLE_RATE // 10:
        kept = int(kept * min(0.95, most / len(flac)))
        begin = int(np.clip(keep_s * SAMPLE_RATE - kept / 2, 0, len(samples) - kept))
        flac = flac_of(samples[begin : begin + kept])
    return flac, begin / SAMPLE_RATE
