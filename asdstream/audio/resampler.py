"""Any sample rate and channel count to 16 kHz mono, block by block."""

import numpy as np
import soxr
from numpy.typing import NDArray

from asdstream.audio.block import AudioBlock
from asdstream.audio.sound_format import format_problem
from asdstream.audio.window import SAMPLE_RATE


def downmix(samples: NDArray[np.float32], channel: int | None = None) -> NDArray[np.float32]:
    """One channel (n,) from (n, channels): the mean of all, or the one numbered `channel` from 0."""
    if channel is not None:
        return np.ascontiguousarray(samples[:, channel], np.float32)
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0], np.float32)
    return np.asarray(samples.mean(axis=1, dtype=np.float32), np.float32)


class Resampler:
    """A continuous stream to 16 kHz mono (soxr, quality HQ); the mean of the channels unless `channel` picks one.

    Output sample k belongs to the moment k / 16000 s after the first input sample: soxr's delay holds samples back
    but does not shift them. Sound that is 16 kHz already passes unchanged. Block sizes make no difference.
    """

    def __init__(self, sample_rate: int, channel: int | None = None) -> None:
        problem = format_problem(sample_rate, 1)
        if problem:
            raise ValueError(f"sound cannot be resampled: {problem}")
        self.sample_rate = sample_rate
        self._channel = channel
        self._stream = None if sample_rate == SAMPLE_RATE else soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1)

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take (frames, channels), give whatever 16 kHz mono is ready, (n,)."""
        mono = downmix(samples, self._channel)
        if self._stream is None or not len(mono):
            return mono
        return np.asarray(self._stream.resample_chunk(mono), np.float32)

    def flush(self) -> NDArray[np.float32]:
        """The samples still held back, as if silence followed; the resampler then stands at a new beginning."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        rest = np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)
        self._stream.clear()
        return rest


def resample_clip(block: AudioBlock, channel: int | None = None) -> NDArray[np.float32]:
    """A whole recording at 16 kHz mono, (n,) with n = frames * 16000 / rate, rounded; at least one sample."""
    resampler = Resampler(block.sample_rate, channel)
    clip = np.concatenate([resampler.process(block.samples), resampler.flush()])
    length = max(1, round(len(block.samples) * SAMPLE_RATE / block.sample_rate))
    return np.pad(clip[:length], (0, max(0, length - len(clip))))
