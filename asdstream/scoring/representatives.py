"""A few windows that stand for many."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 30


def representatives(vectors: Mapping[str, NDArray[np.float32]], count: int) -> NDArray[np.int64]:
    """At most `count` rows of `vectors`, unit-length (N, D) by branch, that stand for all of them: ascending (C,).

    Spherical KMeans (Dhillon and Modha 2001) on the mean of the branches' cosines, begun at rows each as far as can be
    from those before, the first of them the one nearest to the mean of all; of every cluster the row nearest to its
    centre is taken. So they are windows that were heard, whose sound can be kept and embedded again. No chance enters.
    """
    rows = np.concatenate(list(vectors.values()), axis=1).astype(np.float64) / np.sqrt(len(vectors))
    if len(rows) <= count:
        return np.arange(len(rows))
    chosen = [int((rows @ rows.mean(axis=0)).argmax())]
    nearest = rows @ rows[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, rows @ rows[chosen[-1]])
    centres = rows[chosen]
    owner = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        moved = (rows @ centres.T).argmax(axis=1)
        if np.array_equal(moved, owner):
            break
        owner = moved
        for cluster in range(count):
            total = rows[owner == cluster].sum(axis=0)
            length = float(np.linalg.norm(total))
            # An empty cluster keeps its centre, and so does one whose rows cancel out.
            if length > 1e-9:
                centres[cluster] = total / length
    return np.unique((rows @ centres.T).argmax(axis=0))
