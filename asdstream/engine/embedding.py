"""What the engine makes of a window."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One unit-length float32 vector of shape (D,) per branch of the bundle, keyed by the branch's name."""

    window: Window
    vectors: Mapping[str, NDArray[np.float32]]
