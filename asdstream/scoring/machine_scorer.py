"""What the anomaly scores of a machine come from."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asdstream.engine.embedding import Embedding
from asdstream.scoring.reference import Reference
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.scoring.scorer import Bank


class MachineScorer(Protocol):
    """Scores windows of one machine, heard one way (`Scorer`) or two (`BothWaysScorer`). Safe to use from several
    threads while references are replaced.
    """

    machine: str

    @property
    def banks(self) -> Mapping[str, Bank]:
        """What windows are scored against at this moment, by what follows the names of the branches: "" as it is."""

    @property
    def ready(self) -> bool:
        """Whether there is any prototype to score against."""

    @property
    def threshold(self) -> float:
        """The score over which a window is anomalous; 2.0, which no score exceeds, where `uncalibrated`."""

    @property
    def uncalibrated(self) -> str | None:
        """One sentence on why there is no threshold, None where there is one."""

    @property
    def shortage(self) -> str | None:
        """One sentence on why the threshold is a guess, None where it is none."""

    def replace_references(self, references: Sequence[Reference]) -> object:
        """Score against these references, and no others, from the next window on."""

    def score(self, embedding: Embedding) -> ScoredWindow:
        """Score one window. Raises ScoringError where there is no prototype or the embedding does not fit them."""

    def score_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        """Scores (B,) of embeddings (B, D) by branch, as `score` gives them."""
