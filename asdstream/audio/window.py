"""The unit of everything downstream: ten seconds of one channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Hz; every network of the method is trained at this rate."""
WINDOW_SECONDS = 10.0
WINDOW_SAMPLES = 160_000


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Ten seconds of 16 kHz mono sound.

    `samples` is float32 of shape (160000,), nominally in [-1, 1], read-only. `started_at` and `ended_at` are UTC in
    seconds since the epoch, counted in samples; `heard` is `ended_at` on the monotonic clock, counted alike, which no
    change of the computer's clock moves; `captured` is the monotonic second at which the last sample arrived.
    `index` counts the windows of this channel since the daemon started and is never reused. `run` counts the unbroken
    stretches of sound of this channel since then, from 0, and `start` is the sample of its run at which the window
    begins: two windows of one run share the sound that both cover.
    """

    channel: str
    index: int
    samples: NDArray[np.float32]
    started_at: float
    ended_at: float
    captured: float
    run: int = 0
    start: int = 0
    heard: float | None = None
