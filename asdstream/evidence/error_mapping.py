"""Error maps by an engine that has other work: one pass of the network after the other, between its batches."""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.engine.protocol import Reconstructor
from asdstream.evidence.error_map import ErrorMap, error_map

WITHIN_S = 20.0
"""An engine that has no time for so long is overloaded, and live sound goes first."""


class Lend(Protocol):
    """Has something done on the engine's thread."""

    def __call__(self, work: Callable[[], NDArray[np.float32]], within_s: float | None = None) -> NDArray[np.float32]:
        """What `work` gives. Raises TimeoutError where it has not been done in time."""


class ErrorMapping:
    """Makes error maps; `lend` is the way to the thread of `engine`. May be used from any thread."""

    def __init__(self, engine: Reconstructor, lend: Lend) -> None:
        self._engine = engine
        self._lend = lend

    def map(self, heard: NDArray[np.float32], normal: NDArray[np.float32]) -> ErrorMap | None:
        """Of a window (160000,) against normal sound (n,) at 16 kHz; None where the bundle has no decoder.

        Normal sound that is shorter than a window is repeated. Raises EngineError where the engine has stopped or
        has no memory, and TimeoutError where it has no time.
        """
        grid = self._engine.patches
        if grid is None:
            return None
        both = np.stack([heard, np.resize(normal, WINDOW_SAMPLES)]).astype(np.float32)
        deadline = time.monotonic() + WITHIN_S
        sums = np.zeros((2, grid.times, grid.bands))
        counts = np.zeros(sums.shape)
        for turn in range(grid.turns):
            errors = self._lend(
                lambda turn=turn: self._engine.reconstruction_errors(both, turn),  # type: ignore[misc]
                max(0.0, deadline - time.monotonic()),
            )
            hidden = ~np.isnan(errors)
            sums += np.where(hidden, errors, 0.0)
            counts += hidden
        means = np.asarray(sums / counts, np.float32)
        return error_map(means[0], means[1], grid.step_s, grid.edges_hz)
