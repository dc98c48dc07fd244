"""Keeps what a new machine sounds like, piece by piece, before anything is known of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES, Window
from asdstream.audio.windower import hop_samples
from asdstream.engine.embedding import Embedding
from asdstream.scoring.belonging import ReferenceRefusedError, refuse_bad_sound

PIECE_S = 60.0
"""As much of the listening is lost at most when the power fails."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Windows of one `stretch` of `channel` that follow one another at `hop_s`, with their embeddings (m, D) by branch.

    `first` is the place of the first of them in the stretch, `at` the UTC second at which it begins. `samples` are
    16 kHz mono: all of its windows' sound in the first piece of a stretch, in others what follows the piece before.
    `unusable` counts windows since the piece before that were silent or clipped.
    """

    channel: str
    stretch: str
    first: int
    at: float
    hop_s: float
    samples: NDArray[np.float32]
    vectors: Mapping[str, NDArray[np.float32]]
    unusable: int

    @property
    def windows(self) -> int:
        """m."""
        return len(next(iter(self.vectors.values())))

    @property
    def seconds(self) -> float:
        """Of `samples`."""
        return len(self.samples) / SAMPLE_RATE


class Listening:
    """Puts the windows of one channel together to pieces of a minute. Pure: time is what the windows say.

    Windows that are silent or clipped do not count, nor, where windows do not follow at the hop because some were lost
    or left out, those that share sound with one that counted. `new_id` names stretches.
    """

    def __init__(self, channel: str, hop_s: float, clipped_share: float, new_id: Callable[[], str]) -> None:
        self._channel = channel
        self._hop_s = hop_s
        self._hop = hop_samples(hop_s)
        self._clipped_share = clipped_share
        self._new_id = new_id
        self._last: Window | None = None
        self._stretch = ""
        self._next_place = 0
        self._at = 0.0
        self._samples: list[NDArray[np.float32]] = []
        self._rows: dict[str, list[NDArray[np.float32]]] = {}
        self._unusable = 0
        self.waiting = 0
        """Windows that no piece holds yet."""

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that no piece holds yet."""
        return sum(map(len, self._samples)) / SAMPLE_RATE

    def hear(self, embedding: Embedding) -> list[Piece]:
        """Take the next window in; the pieces, at most two, that are complete with it."""
        window, pieces = embedding.window, []
        try:
            refuse_bad_sound(self._channel, window.samples, self._clipped_share)
        except ReferenceRefusedError:
            self._unusable += 1
            return []
        last = self._last
        step = None if last is None or last.run != window.run else window.start - last.start
        if step != self._hop:
            if step is not None and step < WINDOW_SAMPLES:
                return []
            pieces += self.flush()
            self._stretch, self._next_place = self._new_id(), 0
        if not self.waiting:
            self._at = window.started_at
        self._samples.append(window.samples[-self._hop :] if self._next_place else window.samples)
        for branch, vector in embedding.vectors.items():
            self._rows.setdefault(branch, []).append(vector)
        self._last = window
        self._next_place += 1
        self.waiting += 1
        if self.waiting * self._hop >= PIECE_S * SAMPLE_RATE:
            pieces += self.flush()
        return pieces

    def flush(self) -> list[Piece]:
        """What is there already, as a piece; the windows to come may go on from it."""
        if not self.waiting:
            return []
        piece = Piece(
            self._channel,
            self._stretch,
            self._next_place - self.waiting,
            self._at,
            self._hop_s,
            np.concatenate(self._samples),
            {branch: np.stack(rows) for branch, rows in self._rows.items()},
            self._unusable,
        )
        self._samples, self._rows, self.waiting, self._unusable = [], {}, 0, 0
        return [piece]
