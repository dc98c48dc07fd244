"""Labels for clips whose attributes are hidden: clusters of how each machine's clips sound."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score

from asdstream.scoring.prototypes import unit_rows

MOST_CLUSTERS = 16
SILHOUETTE_CLIPS = 2000
"""A silhouette compares every clip with every other; of more clips so many are taken, evenly spread."""


def pseudo_attributes(
    embeddings: NDArray[np.float32], machines: Sequence[str], *, clusters: int | None = None
) -> tuple[str, ...]:
    """A label for every clip, such as "fan_pseudo_3": its machine and its cluster among that machine's clips.

    Embeddings are scaled to unit length, so that their distance grows with the anomaly score's, and joined by Ward's
    criterion (J. H. Ward, 1963). Clusters are numbered in the order in which their first clips come. The same
    embeddings always give the same labels.

    Args:
        embeddings: (N, D), one of each clip.
        machines: the machine of each clip.
        clusters: how many for each machine, fewer where it has fewer clips. Where it is None, the number from 2 to 16
            whose mean silhouette (P. J. Rousseeuw, 1987) is the highest, the smallest of several.

    Raises:
        ValueError: there is not one machine for each embedding, or less than one cluster is asked for.
        ScoringError: an embedding is zero, NaN or infinite.
    """
    if len(machines) != len(embeddings):
        raise ValueError(f"there are {len(machines)} machines of {len(embeddings)} clips; right would be one each")
    if clusters is not None and clusters < 1:
        raise ValueError(f"{clusters} clusters are asked for; right would be at least 1")
    vectors = unit_rows(embeddings, "clips without attributes").astype(np.float64)
    labels = [""] * len(machines)
    for machine in dict.fromkeys(machines):
        places = [place for place, other in enumerate(machines) if other == machine]
        for place, cluster in zip(places, _clustered(vectors[places], clusters), strict=True):
            labels[place] = f"{machine}_pseudo_{cluster}"
    return tuple(labels)


def _clustered(vectors: NDArray[np.float64], clusters: int | None) -> list[int]:
    """Cluster of each row of (N, D), numbered by first appearance."""
    if clusters is not None:
        return _renumbered(_ward(vectors, min(clusters, len(vectors))))
    best, found = -np.inf, np.zeros(len(vectors), dtype=np.int64)
    compared = np.linspace(0, len(vectors) - 1, min(len(vectors), SILHOUETTE_CLIPS)).round().astype(np.int64)
    for count in range(2, min(MOST_CLUSTERS, len(np.unique(vectors, axis=0)) - 1) + 1):
        candidate = _ward(vectors, count)
        if len(np.unique(candidate[compared])) > 1:
            silhouette = float(silhouette_score(vectors[compared], candidate[compared]))
            if silhouette > best:
                best, found = silhouette, candidate
    return _renumbered(found)


def _ward(vectors: NDArray[np.float64], clusters: int) -> NDArray[np.int64]:
    if clusters == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    return np.asarray(AgglomerativeClustering(clusters, linkage="ward").fit_predict(vectors), dtype=np.int64)


def _renumbered(clusters: NDArray[np.int64]) -> list[int]:
    number = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters.tolist()))}
    return [number[cluster] for cluster in clusters.tolist()]
