"""A recording of normal sound from the place where the machine stands: the target domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LABEL_PREFIX = "reference/"


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The embeddings of one reference recording: float32 (n, D) by branch, one row per window, windows not overlapping.

    `label` names the recording: `reference/<ulid>`. One with a `held_out_hop_s` is held out for the calibration: no
    prototype is made of it, and its windows follow one another at that hop.
    """

    label: str
    vectors: Mapping[str, NDArray[np.float32]]
    held_out_hop_s: float | None = None
