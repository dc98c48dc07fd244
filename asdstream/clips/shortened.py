"""As much of a clip as fits into a reply."""

import numpy as np

from asdstream.audio.flac import decode_flac, encode_flac
from asdstream.audio.window import SAMPLE_RATE
from asdstream.clips.roll import to_16_bit


def shortened(flac: bytes, most: int, keep_s: float) -> tuple[bytes, float]:
    """`flac`, of 16 bits, in at most `most` bytes, and how many seconds were cut off its beginning.

    What is left is whatever fits around the second `keep_s`.
    """
    if len(flac) <= most:
        return flac, 0.0
    samples = to_16_bit(decode_flac(flac))
    kept, begin = len(samples), 0
    while len(flac) > most and kept > SAMPLE_RATE // 10:
        kept = int(kept * min(0.95, most / len(flac)))
        begin = int(np.clip(keep_s * SAMPLE_RATE - kept / 2, 0, len(samples) - kept))
        flac = encode_flac(samples[begin : begin + kept])
    return flac, begin / SAMPLE_RATE
