"""What the engine makes of a window."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window


@dataclass(frozen=True, slots=True)
class WorkTimes:
    """Monotonic seconds at which a window joined the queue, left it in a batch, and was embedded."""

    queued: float
    taken: float
    computed: float


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One unit-length float32 vector of shape (D,) per branch of the bundle, keyed by the branch's name.

    `times` is known of windows that went through the queue of `EngineLoop`.
    """

    window: Window
    vectors: Mapping[str, NDArray[np.float32]]
    times: WorkTimes | None = None
