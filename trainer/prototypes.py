"""Stage (f): a machine's normal sound as a few vectors, and how far a window lies from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from asdstream.bundle import BranchPrototypes
from asdstream.scoring.prototypes import PrototypeSet, unit_rows
from trainer.embeddings import Vectors
from trainer.errors import DataError

Prototypes = dict[str, BranchPrototypes]
"""By branch."""


def fit_prototypes(source: Sequence[Vectors], target: Sequence[Vectors], count: int, seed: int) -> Prototypes:
    """`count` centroids of all windows of the `source` recordings, and every window of the `target` ones as it is.

    Raises DataError where there is no source recording.
    """
    if not source:
        raise DataError("there is no source-domain recording to make prototypes of; at least one is needed")
    fitted: Prototypes = {}
    for branch, first in source[0].items():
        none = np.zeros((0, first.shape[1]), dtype=np.float32)
        fitted[branch] = BranchPrototypes(
            source=centroids(np.concatenate([vectors[branch] for vectors in source]), count, seed),
            target=np.concatenate([none, *(vectors[branch] for vectors in target)]),
        )
    return fitted


def centroids(embeddings: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """KMeans centroids (count, D) of unit-length embeddings (N, D), themselves scaled to unit length.

    With no more embeddings than `count` every one of them is a prototype.
    """
    if len(embeddings) <= count:
        return unit_rows(embeddings, "source-domain embeddings")
    fitted = KMeans(count, n_init=10, random_state=seed % 2**32).fit(embeddings.astype(np.float64))
    return unit_rows(fitted.cluster_centers_.astype(np.float32), "KMeans centroids")


def window_scores(prototypes: Prototypes, vectors: Vectors) -> NDArray[np.float64]:
    """Anomaly score of each window of a recording (n,): smallest cosine distance, averaged over the branches."""
    distances = []
    for branch, found in prototypes.items():
        bank = np.concatenate([found.source, found.target])
        nearest, _ = PrototypeSet(branch, bank, [str(index) for index in range(len(bank))]).search(vectors[branch])
        distances.append(nearest[:, 0].astype(np.float64))
    return np.asarray(np.mean(distances, axis=0))


def without_target(prototypes: Prototypes, first: int, count: int) -> Prototypes:
    """The same without `count` target references from the place `first`."""
    return {
        branch: BranchPrototypes(found.source, np.delete(found.target, slice(first, first + count), axis=0))
        for branch, found in prototypes.items()
    }
