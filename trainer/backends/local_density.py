"""Local-density normalisation of the distance to the nearest training clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.backends.back_end import NormalSound, Rows, cosine_distances, one_per_clip
from trainer.errors import DataError

_CLOSEST = 1e-6
"""A density is never taken to be greater than its inverse: copies of one clip would make everything else anomalous."""


@dataclass(frozen=True, slots=True)
class LocalDensity:
    """Distances are divided by how far the training clip found lies from its own neighbours.

    After Wilkinghoff et al. 2025, "Keeping the balance": score = min over y of d(x, y) / mean over k of d(y, y_k), y_k
    being the K clips next to y. Here the neighbours are those of y's own domain, with a K for each, so that ten target
    clips are not judged by the density of a thousand source clips. The bank is one embedding per training clip.
    """

    source_neighbours: int = 16
    target_neighbours: int = 9

    def fit(self, sound: NormalSound, seed: int) -> "DensityBank":  # noqa: ARG002 - nothing is drawn
        """See `BackEnd`."""
        domains = [
            (one_per_clip(clips), neighbours)
            for clips, neighbours in ((sound.source, self.source_neighbours), (sound.target, self.target_neighbours))
            if clips
        ]
        if not domains:
            raise DataError("there is no training clip to measure the density of normal sound with")
        return DensityBank(np.concatenate([bank for bank, _ in domains]), _spreads(domains))


@dataclass(frozen=True, slots=True, eq=False)
class DensityBank:
    """A fitted `LocalDensity`; `spread` (P,) is each clip's mean distance to its neighbours."""

    bank: Rows
    spread: NDArray[np.float64]

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """See `FittedBackEnd`; around 1 for normal sound."""
        return np.asarray((cosine_distances(rows, self.bank) / self.spread).min(axis=1))


def _spreads(domains: Sequence[tuple[Rows, int]]) -> NDArray[np.float64]:
    found = [neighbour_distances(bank, neighbours) for bank, neighbours in domains]
    # A domain with a single clip has no density of its own: it borrows the usual one.
    known = np.concatenate([spread for spread in found if spread is not None] or [np.ones(1)])
    usual = float(np.median(known))
    filled = [
        np.full(len(bank), usual) if spread is None else spread
        for (bank, _), spread in zip(domains, found, strict=True)
    ]
    return np.asarray(np.maximum(np.concatenate(filled), _CLOSEST))


def neighbour_distances(bank: Rows, neighbours: int) -> NDArray[np.float64] | None:
    """Mean cosine distance of each vector (P, D) to the `neighbours` nearest others (all, where there are fewer).

    None for a single vector.
    """
    if len(bank) < 2:
        return None
    distances = cosine_distances(bank, bank)
    np.fill_diagonal(distances, np.inf)
    nearest = np.sort(distances, axis=1)[:, : min(neighbours, len(bank) - 1)]
    return np.asarray(nearest.mean(axis=1))
