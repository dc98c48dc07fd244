"""The method's own back end: the smallest cosine distance to a prototype."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.backends.back_end import NormalSound, Rows, cosine_distances
from trainer.errors import DataError
from trainer.prototypes import centroids

SOURCE_PROTOTYPES = 16
TARGET_PROTOTYPES = 10


@dataclass(frozen=True, slots=True)
class MinimumCosine:
    """KMeans centroids of all source windows, and the windows of the first target clips as they are."""

    source_prototypes: int = SOURCE_PROTOTYPES
    target_prototypes: int = TARGET_PROTOTYPES
    target_step: int = 10
    """Of a target clip, every so manieth window is a prototype: those that do not overlap, at a hop of a second."""

    def fit(self, sound: NormalSound, seed: int) -> "NearestPrototype":
        """See `BackEnd`."""
        return NearestPrototype(self.prototypes(sound, seed))

    def prototypes(self, sound: NormalSound, seed: int) -> Rows:
        """The prototypes (P, D), source before target."""
        if not sound.source:
            raise DataError("there is no source-domain clip to make prototypes of; at least one is needed")
        source = centroids(np.concatenate(sound.source), self.source_prototypes, seed)
        target = [rows[:: self.target_step] for rows in sound.target[: self.target_prototypes]]
        return np.concatenate([source, *target])


@dataclass(frozen=True, slots=True, eq=False)
class NearestPrototype:
    """A fitted `MinimumCosine`."""

    bank: Rows

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """See `FittedBackEnd`."""
        return np.asarray(cosine_distances(rows, self.bank).min(axis=1))
