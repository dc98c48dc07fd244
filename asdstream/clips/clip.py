"""A clip on its way to the disk, and one on its way from there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window
from asdstream.evidence.error_map import ErrorMap


@dataclass(frozen=True, slots=True, eq=False)
class ClipOrder:
    """What is to be kept around the end of `window`, at which the alarm with the occurrence `clip` was raised.

    `normal` is 16 kHz mono (n,) of the normal sound that it is compared with, called `normal_label`; `facts` go into
    the clip's JSON as they are. `error_map` is asked when the clip is written; what it raises costs the map alone.
    """

    clip: str
    window: Window
    sentence: str
    normal: NDArray[np.float32] | None
    normal_label: str | None
    facts: dict[str, Any]
    error_map: Callable[[], ErrorMap | None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """One part of a clip: FLAC, when it began (ISO 8601, None for normal sound), its label, the sentence.

    `error_map` is that of the alarm's window as JSON has it, `begins_s` in it counted from the beginning of the FLAC.
    """

    flac: bytes
    started: str | None
    label: str | None
    sentence: str
    error_map: dict[str, Any] | None = None
