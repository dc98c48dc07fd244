"""Which sample rates and channel counts are taken, and raw PCM in its encodings."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.source import AudioError

MIN_SAMPLE_RATE = 8_000
MAX_SAMPLE_RATE = 192_000
MAX_CHANNELS = 32
LOUDEST = 1e6
"""Times full scale. A sample beyond this is damage like a NaN, and would leave the resampler ringing."""

Encoding = Literal["u8", "s16le", "s24le", "s32le", "f32le", "f64le"]
"""How one sample is written: unsigned or signed integer or IEEE float, bits, little endian."""

BYTES_PER_SAMPLE: dict[Encoding, int] = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}


def format_problem(sample_rate: int, channels: int) -> str | None:
    """Half a sentence on why sound of this rate (Hz) and channel count is not taken; None when it is."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        return f"its sample rate is {sample_rate} Hz where {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz are taken"
    if not 1 <= channels <= MAX_CHANNELS:
        return f"it has {channels} channels where 1 to {MAX_CHANNELS} are taken"
    return None


def decode_pcm(data: bytes | memoryview, encoding: Encoding, channels: int) -> NDArray[np.float32]:
    """Interleaved PCM as float32 of shape (frames, channels), full scale at 1.

    Integers are divided by 2^(bits-1), as libsndfile does. `data` must hold whole frames (ValueError otherwise).
    """
    if len(data) % (BYTES_PER_SAMPLE[encoding] * channels):
        raise ValueError(f"{len(data)} bytes are not whole frames of {channels} x {encoding}")
    if encoding == "u8":
        flat = (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
    elif encoding == "s16le":
        flat = np.frombuffer(data, "<i2").astype(np.float32) / 2.0**15
    elif encoding == "s24le":
        # The three bytes become the upper three of a 32-bit integer, which carries the sign along.
        widened = np.zeros((len(data) // 3, 4), np.uint8)
        widened[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        flat = widened.view("<i4").ravel().astype(np.float32) / 2.0**31
    elif encoding == "s32le":
        flat = np.frombuffer(data, "<i4").astype(np.float32) / 2.0**31
    elif encoding == "f32le":
        flat = np.frombuffer(data, "<f4").astype(np.float32)
    else:
        # A double too large for float32 becomes infinite, and the channel deals with that.
        with np.errstate(over="ignore", invalid="ignore"):
            flat = np.frombuffer(data, "<f8").astype(np.float32)
    return np.asarray(flat, np.float32).reshape(-1, channels)


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Raw PCM without a header, interleaved: what both ends have agreed on. `sample_rate` in Hz."""

    encoding: Literal["s16le", "s24le", "s32le", "f32le"]
    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        """Refuse a format that no channel could carry."""
        if self.encoding not in get_args(Encoding):
            raise AudioError(f"raw PCM cannot be {self.encoding!r}; it can be s16le, s24le, s32le or f32le")
        problem = format_problem(self.sample_rate, self.channels)
        if problem:
            raise AudioError(f"raw PCM as configured cannot be taken: {problem}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return BYTES_PER_SAMPLE[self.encoding] * self.channels
