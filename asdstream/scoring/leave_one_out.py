"""What the references say about normal sound: each scored as if it had not been enrolled."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.calibration import MIN_LOOKS
from asdstream.scoring.errors import ScoringError
from asdstream.scoring.prototypes import PrototypeSet

MIN_RECORDINGS = 3
"""With fewer, most of the bank falls away with each recording left out."""
MAX_REFERENCE_WINDOWS = 8192
"""Per machine, 23 h of sound; every one is compared with every other."""
_COPY = 1e-6
"""A cosine distance below this is the same sound enrolled twice, which says nothing about how sound varies."""


def leave_one_out_scores(
    prototypes: Mapping[str, PrototypeSet], recordings: Sequence[str]
) -> NDArray[np.float64] | None:
    """Anomaly scores (n,) of all windows of `recordings`, against `prototypes` without their own recording.

    `recordings` are labels in `prototypes`. Whole recordings are left out, since neighbouring windows are alike.
    None where there are fewer than 10 windows or 3 recordings; ScoringError where there are more than 8192 windows.
    """
    if len(recordings) < MIN_RECORDINGS:
        return None
    total: NDArray[np.float64] | float = 0.0
    for bank in prototypes.values():
        labels = np.array(bank.labels)
        rows = np.flatnonzero(np.isin(labels, recordings))
        if len(rows) > MAX_REFERENCE_WINDOWS:
            raise ScoringError(
                f"{len(rows)} windows of references are enrolled for one machine; at most {MAX_REFERENCE_WINDOWS} "
                "can be held against each other, so remove some"
            )
        if len(rows) < MIN_LOOKS:
            return None
        nearest = np.empty(len(rows))
        for label in recordings:
            own = labels[rows] == label
            distances = 1.0 - bank.vectors[rows[own]] @ bank.vectors[labels != label].T
            distances[distances < _COPY] = np.inf
            nearest[own] = distances.min(axis=1)
        total = total + nearest
    scores = np.asarray(total / len(prototypes), dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    return scores if len(scores) >= MIN_LOOKS else None
