"""What the references say about normal sound: each scored as if it had not been enrolled."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.calibration import MIN_LOOKS
from asdstream.scoring.prototypes import PrototypeSet

MIN_RECORDINGS = 3
"""With fewer, most of the bank falls away with each recording left out."""
MOST_SCORED = 8192
"""Windows of references, 23 h of sound; more would only take longer."""
_ROWS = 512
_COPY = 1e-6
"""A cosine distance below this is the same sound enrolled twice, which says nothing about how sound varies."""


def leave_one_out_scores(
    prototypes: Mapping[str, PrototypeSet], recordings: Sequence[str]
) -> NDArray[np.float64] | None:
    """Anomaly scores (n,) of windows of `recordings`, against `prototypes` without their own recording.

    `recordings` are labels in `prototypes`. Whole recordings are left out, since neighbouring windows are alike. All of
    their windows are scored, of more than 8192 so many, spread evenly. None where there are fewer than 10 windows or 3
    recordings.
    """
    if len(recordings) < MIN_RECORDINGS:
        return None
    total: NDArray[np.float64] | float = 0.0
    for bank in prototypes.values():
        names, numbers = np.unique(np.array(bank.labels), return_inverse=True)
        rows = np.flatnonzero(np.isin(numbers, np.flatnonzero(np.isin(names, recordings))))
        if len(rows) < MIN_LOOKS:
            return None
        if len(rows) > MOST_SCORED:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_SCORED).round().astype(int)]
        nearest = np.empty(len(rows))
        for first in range(0, len(rows), _ROWS):
            part = rows[first : first + _ROWS]
            distances = 1.0 - bank.vectors[part] @ bank.vectors.T
            distances[numbers[part][:, None] == numbers[None]] = np.inf
            distances[distances < _COPY] = np.inf
            nearest[first : first + len(part)] = distances.min(axis=1)
        total = total + nearest
    scores = np.asarray(total / len(prototypes), dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    return scores if len(scores) >= MIN_LOOKS else None
