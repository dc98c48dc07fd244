"""What every back end is: something fitted to normal sound that scores windows, one branch at a time."""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
"""Unit-length embeddings (windows, D)."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalSound:
    """Embeddings of the training clips of one branch, clip by clip; there may be no target clips."""

    source: tuple[Rows, ...]
    target: tuple[Rows, ...]


class FittedBackEnd(Protocol):
    """A back end that has heard normal sound."""

    @property
    def bank(self) -> Rows:
        """What windows are held against (P, D), source before target."""

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Anomaly score of each window, (n,): the larger, the stranger."""


class BackEnd(Protocol):
    """A way of scoring; a dataclass, whose fields are its settings."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def fit(self, sound: NormalSound, seed: int) -> FittedBackEnd:
        """Take in normal sound. Raises DataError where it does not suffice."""


def one_per_clip(clips: tuple[Rows, ...]) -> Rows:
    """The mean embedding of each clip, of unit length: (clips, D)."""
    means = np.stack([rows.mean(axis=0, dtype=np.float64) for rows in clips])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


def cosine_distances(rows: Rows, bank: Rows) -> NDArray[np.float64]:
    """1 - cos of every pair, (n, P), from unit-length vectors; 0 to 2."""
    return np.clip(1.0 - rows.astype(np.float64) @ bank.astype(np.float64).T, 0.0, 2.0)
