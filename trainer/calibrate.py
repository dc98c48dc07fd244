"""Stage (g): the distribution of normal scores, from sound that no prototype was made of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.scoring.calibration import Calibration, independent_looks
from trainer.embeddings import Vectors
from trainer.prototypes import Prototypes, window_scores, without_target


def calibrate(
    prototypes: Prototypes, held_out: Sequence[Vectors], target: Sequence[Vectors], hop_seconds: float
) -> Calibration:
    """Fit to the windows of the held-out source recordings, and of each target recording scored without itself.

    The machine stands in the target domain now, so a threshold that knows the source domain alone would cry wolf
    there. `target` are the recordings behind the target prototypes, in windows that do not overlap; `hop_seconds` is
    the hop of `held_out`. Raises CalibrationError where there is too little sound for a tail.
    """
    scores = [window_scores(prototypes, vectors) for vectors in held_out]
    looks = sum(independent_looks(len(found), hop_seconds) for found in scores)
    alone = target_scores(prototypes, target)
    looks += sum(independent_looks(len(found), WINDOW_SECONDS) for found in alone)
    return Calibration.fit(np.concatenate([np.zeros(0), *scores, *alone]), looks)


def target_scores(prototypes: Prototypes, target: Sequence[Vectors]) -> list[NDArray[np.float64]]:
    """Scores of the windows of each target recording, held against all prototypes but its own."""
    scores = []
    first = 0
    for vectors in target:
        count = len(next(iter(vectors.values())))
        scores.append(window_scores(without_target(prototypes, first, count), vectors))
        first += count
    return scores
