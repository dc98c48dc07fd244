"""The front end of sliding windows: each mel frame of a stream is computed once, however many windows hold it.

A frame depends on its own 400 samples only. Frame k of a window begins at its sample 160 k, so windows that lie a
multiple of 160 samples apart have their common frames in common.
"""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.engine.frame_rings import FrameRings
from asdstream.engine.stream_window import REMEMBERED_S, StreamWindow, rounds
from asdstream.engine.upload import upload
from asdstream.models.fbank import FRAME_SHIFT, MEL_BANDS, FbankFrontEnd, frame_count, kaldi_fbanks

FRAMES = frame_count(WINDOW_SAMPLES)


@dataclass(slots=True)
class _Latest:
    """The latest window of a stream, whose frames lie in `ring` from frame `first` on."""

    ring: int
    first: int
    run: int
    start: int
    captured: float
    samples: NDArray[np.float32]


class StreamFrontEnd:
    """What each of `front_ends` makes of windows that overlap, on `device`. From any thread, one after the other.

    Of a window only those frames are computed whose sound the stream's window before did not hold. That the sound is
    the same is not taken on trust but compared, sample by sample: it costs a hundredth of the frames, and a stream
    that was changed after the fact (as the end of a separated one may be) costs time and not the score. Where nothing
    is shared (the first window of a run, a hop that is no multiple of 10 ms, a window older than the one before it)
    the whole window is computed.

    For each stream it keeps the samples of its latest window and, for each front end, 0.51 MB of normalised frames on
    the device, until no window of it has come for half a minute.
    """

    def __init__(self, front_ends: Sequence[FbankFrontEnd], device: torch.device) -> None:
        self._front_ends = list(front_ends)
        self._device = device
        self._settings = list(dict.fromkeys(end.setting for end in self._front_ends))
        self._lengths = [end.frames or FRAMES for end in self._front_ends]
        silence = torch.zeros(MEL_BANDS, device=device)
        self._rings = FrameRings([end.normalise_frames(silence) for end in self._front_ends], FRAMES)
        self._latest: dict[Hashable, _Latest] = {}
        # All rings are one block of memory, and what is done under it takes a hundredth of an encoder's time.
        self._at_work = threading.Lock()

    @property
    def streams(self) -> int:
        """How many streams it remembers."""
        return len(self._latest)

    def spectrograms(self, windows: Sequence[StreamWindow]) -> list[Tensor]:
        """The normalised spectrograms (B, frames, 128) of windows in any order, one for each front end."""
        turns = list(rounds(windows))
        with self._at_work, torch.inference_mode():
            try:
                parts = [self._of_streams([windows[i] for i in places]) for places in turns]
            except BaseException:
                # A ring may be half written, so that nothing known of it holds any more.
                self._forget(list(self._latest))
                raise
            self._forget_quiet(max(window.captured for window in windows))
            if len(parts) == 1:
                return parts[0]
            order = torch.from_numpy(np.argsort(np.concatenate(turns))).to(self._device)
            return [torch.cat(pieces).index_select(0, order) for pieces in zip(*parts, strict=True)]

    def _of_streams(self, windows: Sequence[StreamWindow]) -> list[Tensor]:
        """The spectrograms of windows of as many streams."""
        by_known: dict[int, list[int]] = {}
        rows = np.empty((len(windows), FRAMES), np.int64)
        for i, window in enumerate(windows):
            latest, known = self._follow(window)
            rows[i] = self._rings.rows(latest.ring, latest.first, FRAMES)
            by_known.setdefault(known, []).append(i)
        for known, places in by_known.items():
            if known < FRAMES:
                # Equally much is new in all of these, so that one call computes it.
                new = np.stack([windows[i].samples[known * FRAME_SHIFT :] for i in places])
                self._rings.write(rows[places, known:], self._frames(upload(new, self._device)))
        return self._rings.read(rows, self._lengths)

    def _frames(self, waveform: Tensor) -> list[Tensor]:
        """Normalised frames (B, T, 128) of waveforms (B, N), one for each front end."""
        fbanks = dict(zip(self._settings, kaldi_fbanks(waveform, self._settings), strict=True))
        return [end.normalise_frames(fbanks[end.setting]) for end in self._front_ends]

    def _follow(self, window: StreamWindow) -> tuple[_Latest, int]:
        """Make `window` the latest of its stream; also, how many of its frames lie in the ring already."""
        latest = self._latest.get(window.stream)
        if latest is None:
            latest = _Latest(self._rings.take(), 0, window.run, window.start, window.captured, window.samples)
            self._latest[window.stream] = latest
            return latest, 0
        shift = window.start - latest.start
        known = 0
        if window.run == latest.run and 0 <= shift < WINDOW_SAMPLES and shift % FRAME_SHIFT == 0:
            known = frame_count(_common(latest.samples[shift:], window.samples[: WINDOW_SAMPLES - shift]))
        latest.first = (latest.first + shift // FRAME_SHIFT) % FRAMES if known else 0
        latest.run, latest.start, latest.captured = window.run, window.start, window.captured
        latest.samples = window.samples
        return latest, known

    def _forget_quiet(self, now: float) -> None:
        self._forget([name for name, latest in self._latest.items() if latest.captured < now - REMEMBERED_S])

    def _forget(self, streams: Sequence[Hashable]) -> None:
        for stream in streams:
            self._rings.release(self._latest.pop(stream).ring)


def _common(before: NDArray[np.float32], now: NDArray[np.float32]) -> int:
    """How many samples at the beginning of both are the same."""
    differ = before != now
    first = int(differ.argmax())
    return first if differ[first] else len(differ)
