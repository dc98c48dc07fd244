"""A clip on its way to the disk, and one on its way from there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class ClipOrder:
    """What is to be kept around the end of `window`, at which the alarm with the occurrence `clip` was raised.

    `normal` is 16 kHz mono (n,) of the normal sound that it is compared with, called `normal_label`; `facts` go into
    the clip's JSON as they are.
    """

    clip: str
    window: Window
    sentence: str
    normal: NDArray[np.float32] | None
    normal_label: str | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """One part of a clip: FLAC, when it began (ISO 8601, None for normal sound), its label, the sentence."""

    flac: bytes
    started: str | None
    label: str | None
    sentence: str
