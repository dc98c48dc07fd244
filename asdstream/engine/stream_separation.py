"""Separation of sliding windows: only what a stream has not held before is separated.

A chunk is the new sound of a window with `LEFT` of context before it. The newest `RIGHT` of what was separated before
had nothing after it to be heard with; it lies between and is separated once more. So every sample gets its final
estimate `RIGHT` later, and a window holds the best estimate that there is when it is embedded.
"""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES
from asdstream.engine.separation import Separator
from asdstream.engine.stream_window import REMEMBERED_S, StreamWindow, rounds

LEFT = SAMPLE_RATE
"""Samples before those that a chunk is separated for; docs/streaming-separation.md has the curve."""
RIGHT = SAMPLE_RATE // 2
"""Samples after a sample without which its estimate is not final."""
FADE = 1_024
"""Samples in which a chunk's estimate takes the place of the one before: 64 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class _Latest:
    """The latest window of a stream: as it was heard, and as it was separated."""

    run: int
    start: int
    captured: float
    heard: NDArray[np.float32]
    separated: NDArray[np.float32]


class StreamSeparation:
    """What `separator` makes of windows that overlap, in chunks of new sound.

    From any thread, but the windows of a stream one after the other.

    The network learns level and first norm of a chunk from the whole window that ends with it, so that a pause or a
    single blow is as loud in a chunk as it is in the window. Neighbouring chunks are cross-faded with weights that add
    up to 1, since both are estimates of the same sound. The first window of a run is separated whole, and so is one
    that shares too little with the one before it, comes out of order, or holds other samples where they should be
    the same; after dropped windows a chunk is as much longer.

    For each stream it keeps its latest window as it was heard and as it was separated, until none has come for half a
    minute.
    """

    def __init__(self, separator: Separator, left: int = LEFT, right: int = RIGHT) -> None:
        if left < 0 or right < FADE:
            raise ValueError(f"the contexts are {left} and {right} samples; at least 0 and {FADE} are needed")
        self._separator = separator
        self._left = left
        self._right = right
        self._latest: dict[Hashable, _Latest] = {}
        self._remembering = threading.Lock()

    @property
    def streams(self) -> int:
        """How many streams it remembers."""
        return len(self._latest)

    def separate(self, windows: Sequence[StreamWindow], machine_types: Sequence[str]) -> list[NDArray[np.float32]]:
        """Windows in any order, each separated as its machine type: (160000,) each, which must not be changed.

        What comes out does not depend on which windows share a batch. Raises EngineError as `Separator.separate` does.
        """
        separated: dict[int, NDArray[np.float32]] = {}
        for places in rounds(windows):
            # Chunks of one length and type are separated together.
            chunks: dict[tuple[str, int], list[int]] = {}
            with self._remembering:
                before = {i: self._latest.get(windows[i].stream) for i in places}
            for i in places:
                chunks.setdefault((machine_types[i], _settled(windows[i], before[i], self._right)), []).append(i)
            for (machine_type, settled), members in chunks.items():
                rows = self._chunks([(windows[i], before[i]) for i in members], machine_type, settled)
                for i, row in zip(members, rows, strict=True):
                    separated[i] = row
                    self._remember(windows[i], row)
        if windows:
            self._forget_before(max(window.captured for window in windows) - REMEMBERED_S)
        return [separated[i] for i in range(len(windows))]

    def _chunks(
        self, windows: Sequence[tuple[StreamWindow, _Latest | None]], machine_type: str, settled: int
    ) -> list[NDArray[np.float32]]:
        """Windows, each (160000,) separated from `settled` on and before that as in the one before it in its stream."""
        begin = max(0, settled - self._left)
        if settled < WINDOW_SAMPLES:
            chunks = self._separator.separate(np.stack([window.samples for window, _ in windows]), machine_type, begin)
        if settled == 0:
            # Copies, because a row would keep its whole batch in memory.
            return [chunk.copy() for chunk in chunks]
        separated = [_as_it_was(window, latest) for window, latest in windows]
        if settled == WINDOW_SAMPLES:
            return separated
        weight = ((np.arange(FADE) + 0.5) / FADE).astype(np.float32)
        fade = slice(settled, settled + FADE)
        for row, chunk in zip(separated, chunks[:, settled - begin :], strict=True):
            row[fade] += weight * (chunk[:FADE] - row[fade])
            row[fade.stop :] = chunk[FADE:]
        return separated

    def _remember(self, window: StreamWindow, separated: NDArray[np.float32]) -> None:
        finite = np.isfinite(separated).all()
        with self._remembering:
            if finite:
                self._latest[window.stream] = _Latest(
                    window.run, window.start, window.captured, window.samples, separated
                )
            else:
                self._latest.pop(window.stream, None)

    def _forget_before(self, captured: float) -> None:
        with self._remembering:
            for stream in [stream for stream, latest in self._latest.items() if latest.captured < captured]:
                del self._latest[stream]


def _settled(window: StreamWindow, latest: _Latest | None, right: int) -> int:
    """How many samples at the window's beginning have their final estimate; all of them of a window seen before."""
    if latest is None or latest.run != window.run:
        return 0
    shift = window.start - latest.start
    common = WINDOW_SAMPLES - shift
    if not (0 < common <= WINDOW_SAMPLES and np.array_equal(latest.heard[shift:], window.samples[:common])):
        return 0
    return WINDOW_SAMPLES if shift == 0 else max(0, common - right)


def _as_it_was(window: StreamWindow, latest: _Latest | None) -> NDArray[np.float32]:
    """What is known of a window by the one before it in its stream, then silence."""
    row = np.zeros(WINDOW_SAMPLES, np.float32)
    if latest is not None:
        known = latest.separated[window.start - latest.start :]
        row[: len(known)] = known
    return row
