"""What a new machine's first hours teach: which windows fit, which it is known by, which judge the threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.scoring.fitting_windows import fitting_windows
from asdstream.scoring.heard_windows import HeardWindows
from asdstream.scoring.representatives import representatives

_BLOCKS = 12
_OF_THREE = 1
"""Which of three blocks in a row the references are taken from."""
LONGEST_S = 600.0
"""Of a recording that is held out; a longer one goes into several."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """Windows in a row that did not fit, from the beginning of the first to the end of the last, in UTC seconds."""

    started_at: float
    ended_at: float
    windows: int


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Indices of windows: `references` (R,), each the sound of a reference; `held_out`, each (first, last + 1) windows
    in a row that the threshold is worked out from. No held-out window shares sound with a reference.
    """

    references: NDArray[np.int64]
    held_out: tuple[tuple[int, int], ...]
    excluded: tuple[Excluded, ...]


def learn(heard: HeardWindows, references: int, n: int) -> Lesson:
    """Learn from `heard`: at most so many `references`, and held-out runs of at least `n` windows.

    The time is divided into 12 blocks, fewer where they would hold less than 2 n windows. Of every three in a row the
    middle one gives the references, so that they come from all of the time, and the other two are held out: what
    judges the threshold took no part in the choice of what it is held against.
    """
    fits = fitting_windows(heard)
    blocks = min(_BLOCKS, max(3, len(heard) // (2 * n)))
    block = np.arange(len(heard)) * blocks // max(1, len(heard))
    learns = block % 3 == _OF_THREE
    candidates = heard.apart(np.flatnonzero(fits & learns))
    chosen = candidates[representatives({b: v[candidates] for b, v in heard.vectors.items()}, references)]
    rest = np.flatnonzero(fits & ~learns)
    rest = rest[~heard.share_sound(rest, chosen).any(axis=1)]
    runs = [part for run in _runs(heard, rest) for part in _parts(heard, run) if part[1] - part[0] >= n]
    return Lesson(chosen, tuple(runs), _excluded(heard, np.flatnonzero(~fits)))


def _runs(heard: HeardWindows, windows: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The windows, ascending, as (first, last + 1) of those that follow one another."""
    if not len(windows):
        return []
    follows = (np.diff(windows) == 1) & (np.diff(heard.stretch[windows]) == 0) & (np.diff(heard.place[windows]) == 1)
    breaks = np.flatnonzero(~follows) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(windows, breaks)]


def _parts(heard: HeardWindows, run: tuple[int, int]) -> list[tuple[int, int]]:
    first, end = run
    most = int((LONGEST_S - WINDOW_SECONDS) / float(heard.hop_s[first]) + 1e-9) + 1
    return [(begin, min(begin + most, end)) for begin in range(first, end, most)]


def _excluded(heard: HeardWindows, windows: NDArray[np.int64]) -> tuple[Excluded, ...]:
    return tuple(
        Excluded(float(heard.at[first]), float(heard.at[end - 1]) + WINDOW_SECONDS, end - first)
        for first, end in _runs(heard, windows)
    )
