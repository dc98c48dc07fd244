"""The anomaly score of a machine that is heard both as it is and separated from what surrounds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdstream.bundle import Bundle
from asdstream.engine.embedding import Embedding
from asdstream.engine.separate_as import SEPARATED
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.scoring.scorer import UNREACHABLE, Bank, Scorer

Vectors = Mapping[str, NDArray[np.float32]]
Make = Callable[[Sequence[Reference]], Scorer]


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """What follows the names of its branches, the scorer of what is heard so, and its weight in the mean."""

    suffix: str
    scorer: Scorer
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class _Mean:
    """All that one score depends on; never changed, only replaced. `median` is None where there is no threshold."""

    ways: tuple[_Way, ...]
    median: float | None
    threshold: float
    uncalibrated: str | None
    shortage: str | None

    def calibrated(self, score: float) -> float:
        """As `Calibration.calibrated`."""
        if self.median is None:
            return score / self.threshold
        return (score - self.median) / (self.threshold - self.median)


class BothWaysScorer:
    """Scores windows that are heard two ways, each against what was heard alike: a `MachineScorer`.

    Each way has a `Scorer`: prototypes and calibration of the bundle serve the one way that they were made from, the
    references serve both. With a way's score s, the median m of normal sound and the threshold t, the machine's score
    is the mean of both s, m and t being averaged alike, with weights in proportion to 1 / (t - m). So both count the
    same, however far apart their distances lie, and `calibrated` is the mean of the two ways' own (s - m) / (t - m).

    That mean exceeds 1 only where one of them does, so each way is calibrated for half of the bearable false alarms.
    A way without a threshold cannot be brought to that scale and does not count while the other has one; where none
    has, the score is the plain mean of those that have prototypes.
    """

    def __init__(self, machine: str, as_it_is: Make, separated: Make, references: Sequence[Reference] = ()) -> None:
        self.machine = machine
        self._make = {"": as_it_is, SEPARATED: separated}
        self._mean = self._weigh(references)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        machine: str,
        machine_type: str,
        bearable: FalseAlarmRate,
        references: Sequence[Reference] = (),
    ) -> Self:
        """As `Scorer.from_bundle`; `references` have every branch twice, as `SEPARATED` says."""
        half = replace(bearable, per_day=bearable.per_day / 2)
        make = partial(Scorer.from_bundle, bundle, machine, machine_type, half)
        return cls(machine, partial(make, separated=False), partial(make, separated=True), references)

    @property
    def ready(self) -> bool:
        """As `MachineScorer.ready`: in either way."""
        return any(way.scorer.ready for way in self._mean.ways)

    @property
    def banks(self) -> Mapping[str, Bank]:
        """As `MachineScorer.banks`."""
        return {way.suffix: way.scorer.bank for way in self._mean.ways}

    @property
    def ways(self) -> tuple[str, ...]:
        """What follows the names of the branches that count at this moment."""
        return tuple(way.suffix for way in self._mean.ways)

    @property
    def threshold(self) -> float:
        """As `MachineScorer.threshold`."""
        return self._mean.threshold

    @property
    def uncalibrated(self) -> str | None:
        """As `MachineScorer.uncalibrated`: where neither way has a threshold."""
        return self._mean.uncalibrated

    @property
    def shortage(self) -> str | None:
        """As `MachineScorer.shortage`: of a threshold that counts."""
        return self._mean.shortage

    def replace_references(self, references: Sequence[Reference]) -> None:
        """As `MachineScorer.replace_references`; on an error the old ones stay."""
        self._mean = self._weigh(references)

    def score(self, embedding: Embedding) -> ScoredWindow:
        """As `MachineScorer.score`."""
        mean = self._mean
        scored = [
            way.scorer.score(replace(embedding, vectors=_heard(embedding.vectors, way.suffix))) for way in mean.ways
        ]
        score = sum(way.weight * one.score for way, one in zip(mean.ways, scored, strict=True))
        return replace(
            scored[0],
            score=score,
            calibrated=mean.calibrated(score),
            threshold=mean.threshold,
            nearest=tuple(
                replace(near, branch=f"{near.branch}{way.suffix}")
                for way, one in zip(mean.ways, scored, strict=True)
                for near in one.nearest
            ),
        )

    def score_vectors(self, vectors: Vectors) -> NDArray[np.float64]:
        """As `MachineScorer.score_vectors`."""
        parts = [way.weight * way.scorer.score_vectors(_heard(vectors, way.suffix)) for way in self._mean.ways]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)

    def _weigh(self, references: Sequence[Reference]) -> _Mean:
        scorers = {
            suffix: make([replace(one, vectors=_heard(one.vectors, suffix)) for one in references])
            for suffix, make in self._make.items()
        }
        spans: dict[str, tuple[float, float]] = {}
        for suffix, scorer in scorers.items():
            calibration = scorer.bank.calibration
            if calibration is not None and scorer.uncalibrated is None:
                spans[suffix] = (calibration.median, scorer.threshold)
        if not spans:
            # Where nothing is ready either, the first tells why nothing can be scored.
            able = {suffix: one for suffix, one in scorers.items() if one.ready} or {"": scorers[""]}
            ways = tuple(_Way(suffix, one, 1 / len(able)) for suffix, one in able.items())
            return _Mean(ways, None, UNREACHABLE, next(iter(able.values())).uncalibrated, None)
        weights = {suffix: 1 / (threshold - median) for suffix, (median, threshold) in spans.items()}
        whole = sum(weights.values())
        ways = tuple(_Way(suffix, scorers[suffix], weight / whole) for suffix, weight in weights.items())
        return _Mean(
            ways,
            median=sum(way.weight * spans[way.suffix][0] for way in ways),
            threshold=sum(way.weight * spans[way.suffix][1] for way in ways),
            uncalibrated=None,
            shortage=next((way.scorer.shortage for way in ways if way.scorer.shortage), None),
        )


def _heard(vectors: Vectors, suffix: str) -> Vectors:
    """What was heard in one way, under the branches' own names."""
    return {
        name.removesuffix(SEPARATED): rows
        for name, rows in vectors.items()
        if name.endswith(SEPARATED) == (suffix == SEPARATED)
    }
