"""A distance means what it means beside the distances of the normal sound around it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.backends.back_end import NormalSound, Rows, cosine_distances
from trainer.backends.minimum_cosine import MinimumCosine

_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class RelativeDeviation:
    """Distance to a prototype, relative to the usual distance of the training windows that it stands for.

    score = min over prototypes c of d(x, c) / m(c), with m(c) the mean distance to c of the training windows nearest
    to c. A target prototype stands for its own clip alone, which says nothing of the spread; it is given the mean
    distance between target clips, or with a single one that of all prototypes. The prototypes are those of
    `MinimumCosine`.
    """

    prototypes: MinimumCosine = field(default_factory=MinimumCosine)

    def fit(self, sound: NormalSound, seed: int) -> "RelativeBank":
        """See `BackEnd`."""
        bank = self.prototypes.prototypes(sound, seed)
        source = np.concatenate(sound.source)
        clips = [rows[:: self.prototypes.target_step] for rows in sound.target[: self.prototypes.target_prototypes]]
        centroids = bank[: len(bank) - sum(map(len, clips))]
        distances = cosine_distances(source, centroids)
        nearest = distances.argmin(axis=1)
        usual = float(distances.min(axis=1).mean())
        spread = np.full(len(bank), usual)
        for place in range(len(centroids)):
            members = distances[nearest == place, place]
            # A prototype that is its only member lies at no distance from it.
            if len(members) > 1:
                spread[place] = members.mean()
        if len(clips) > 1:
            spread[len(centroids) :] = _between(clips)
        return RelativeBank(bank, np.maximum(spread, max(usual * 0.01, _SMALLEST)))


@dataclass(frozen=True, slots=True, eq=False)
class RelativeBank:
    """A fitted `RelativeDeviation`; `spread` (P,) is the usual distance around each prototype."""

    bank: Rows
    spread: NDArray[np.float64]

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """See `FittedBackEnd`; around 1 for normal sound."""
        return np.asarray((cosine_distances(rows, self.bank) / self.spread).min(axis=1))


def _between(clips: list[Rows]) -> float:
    """Mean distance of a window to the nearest one of another clip."""
    owner = np.repeat(np.arange(len(clips)), [len(rows) for rows in clips])
    together = np.concatenate(clips)
    distances = cosine_distances(together, together)
    distances[owner[:, None] == owner[None]] = np.inf
    return float(distances.min(axis=1).mean())
