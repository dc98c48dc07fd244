"""The anomaly score of a machine: how far a window is from everything the machine is known to sound like."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from asdstream.bundle import BranchPrototypes, Bundle
from asdstream.engine.embedding import Embedding
from asdstream.scoring.alarm_calibration import AlarmCalibration
from asdstream.scoring.calibration import MIN_LOOKS, Calibration
from asdstream.scoring.errors import CalibrationError, ScoringError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.held_out import held_out_calibration
from asdstream.scoring.leave_one_out import leave_one_out_scores
from asdstream.scoring.prototypes import PrototypeSet
from asdstream.scoring.reference import LABEL_PREFIX, Reference
from asdstream.scoring.scored_window import Nearest, ScoredWindow

UNREACHABLE = 2.0
"""The largest cosine distance there is: the threshold of a scorer that has none, so that no score lies over it."""
NEAREST = 3
"""Prototypes named with each score, per branch."""
ENOUGH_LOOKS = 60
"""Independent windows of held-out normal sound, ten minutes, from which on it sets the threshold alone."""

DecidedBy = Literal["bundle", "references", "held-out sound"]


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """All that one score depends on; never changed, only replaced.

    `uncalibrated` says in one sentence why there is no threshold, `shortage` why the threshold is a guess; None where
    all is well. `references` are the labels of the enrolled recordings that are prototypes, `held_out` of those that
    only the calibration hears; `decided_by` says whose calibration it is.
    """

    prototypes: Mapping[str, PrototypeSet]
    references: tuple[str, ...]
    calibration: Calibration | AlarmCalibration | None
    threshold: float
    uncalibrated: str | None
    shortage: str | None
    held_out: tuple[str, ...] = ()
    decided_by: DecidedBy | None = None


class Scorer:
    """Scores windows of one machine. Safe to use from several threads while references are replaced.

    Score: the smallest cosine distance to a prototype, averaged over branches (Zhang et al., System-2; with a single
    branch, System-1). The prototypes are those of the bundle's machine type and the references enrolled on site;
    either may be absent. Threshold: the larger one of the bundle's calibration and, where at least 10 windows of
    references are enrolled in at least 3 recordings, of the references' own leave-one-out scores: an alarm asks for a
    sound unlike both. Where normal sound of the place was held out for the calibration it is scored against all of
    them, and ten independent minutes of it decide alone, because they are what windows will be; less of it is one more
    among which the largest threshold holds.
    """

    def __init__(
        self,
        machine: str,
        known: Mapping[str, BranchPrototypes] | None,
        calibration: Calibration | None,
        bearable: FalseAlarmRate,
        references: Sequence[Reference] = (),
    ) -> None:
        self.machine = machine
        self._known = dict(known or {})
        self._calibration = calibration if known else None
        self._bearable = bearable
        self._replacing = threading.Lock()
        self._bank = self._make_bank(references)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        machine: str,
        machine_type: str,
        bearable: FalseAlarmRate,
        references: Sequence[Reference] = (),
        *,
        separated: bool = False,
    ) -> Self:
        """For `machine`, of a type that the bundle may know; raises CalibrationError where its calibration is odd.

        `separated` says whether what will be scored has been separated. Prototypes that were fitted on sound treated
        otherwise are left out, with their calibration.
        """
        known = bundle.machine_types.get(machine_type)
        if known is not None and known.separated != separated:
            known = None
        calibration = None
        if known is not None and known.calibration is not None:
            try:
                calibration = Calibration.from_dict(known.calibration)
            except CalibrationError as error:
                raise CalibrationError(f"bundle {bundle.path}: machine type {machine_type!r}: {error}") from error
        return cls(machine, None if known is None else known.prototypes, calibration, bearable, references)

    @property
    def bank(self) -> Bank:
        """What windows are scored against at this moment."""
        return self._bank

    @property
    def banks(self) -> Mapping[str, Bank]:
        """As `MachineScorer.banks`."""
        return {"": self._bank}

    @property
    def ready(self) -> bool:
        """Whether there is any prototype to score against."""
        return bool(self._bank.prototypes)

    @property
    def threshold(self) -> float:
        """The score over which a window is anomalous; 2.0, which no score exceeds, where `uncalibrated`."""
        return self._bank.threshold

    @property
    def uncalibrated(self) -> str | None:
        """One sentence on why there is no threshold, None where there is one."""
        return self._bank.uncalibrated

    @property
    def shortage(self) -> str | None:
        """One sentence on why the threshold is a guess, None where it is none."""
        return self._bank.shortage

    def replace_references(self, references: Sequence[Reference]) -> Bank:
        """Score against these references, and no others, from the next window on.

        The new bank is complete before it takes the old one's place; a window sees one or the other. On an error the
        old one stays.
        """
        with self._replacing:
            self._bank = self._make_bank(references)
            return self._bank

    def score(self, embedding: Embedding) -> ScoredWindow:
        """Score one window. Raises ScoringError where there is no prototype or the embedding does not fit them."""
        bank = self._bank
        distances: list[float] = []
        nearest: list[Nearest] = []
        for branch, prototypes in self._required(bank).items():
            if branch not in embedding.vectors:
                raise ScoringError(f"the embedding of machine {self.machine!r} lacks branch {branch!r}")
            found, indices = prototypes.search(embedding.vectors[branch][None], NEAREST)
            distances.append(float(found[0, 0]))
            nearest += [
                Nearest(branch, prototypes.labels[i], float(d)) for d, i in zip(found[0], indices[0], strict=True)
            ]
        score = float(np.mean(distances))
        window = embedding.window
        return ScoredWindow(
            channel=window.channel,
            machine=self.machine,
            index=window.index,
            started_at=window.started_at,
            ended_at=window.ended_at,
            captured=window.captured,
            score=score,
            calibrated=_calibrated(bank, score),
            threshold=bank.threshold,
            nearest=tuple(nearest),
            times=embedding.times,
            heard=window.heard,
        )

    def score_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        """Scores (B,) of embeddings (B, D) by branch, as `score` gives them."""
        bank = self._bank
        total: NDArray[np.float64] | float = 0.0
        for branch, prototypes in self._required(bank).items():
            if branch not in vectors:
                raise ScoringError(f"the embeddings of machine {self.machine!r} lack branch {branch!r}")
            found, _ = prototypes.search(vectors[branch])
            total = total + found[:, 0].astype(np.float64)
        return np.asarray(total / len(bank.prototypes), dtype=np.float64)

    def _required(self, bank: Bank) -> Mapping[str, PrototypeSet]:
        if not bank.prototypes:
            raise ScoringError(
                f"machine {self.machine!r} has no prototypes: the bundle has none that fit and no reference is "
                "enrolled, so enrol recordings of its normal sound"
            )
        return bank.prototypes

    def _make_bank(self, references: Sequence[Reference]) -> Bank:
        if len({reference.label for reference in references}) < len(references):
            raise ScoringError(f"machine {self.machine!r} has two references of one label")
        enrolled = [reference for reference in references if reference.held_out_hop_s is None]
        branches = tuple(self._known) or tuple(sorted({name for r in enrolled for name in r.vectors}))
        held_out = [one for one in references if one.held_out_hop_s is not None] if branches else []
        for reference in (*enrolled, *held_out):
            if not reference.label.startswith(LABEL_PREFIX):
                raise ScoringError(f"reference {reference.label!r} is not labelled {LABEL_PREFIX}<id>")
            if set(reference.vectors) != set(branches):
                raise ScoringError(
                    f"{reference.label} has embeddings of {', '.join(sorted(reference.vectors)) or 'no branch'}; "
                    f"machine {self.machine!r} needs {', '.join(branches)}: embed it again with this bundle"
                )
            windows = {len(vectors) for vectors in reference.vectors.values()}
            if 0 in windows or len(windows) > 1:
                raise ScoringError(f"{reference.label} holds no window, or not the same number in every branch")
        prototypes = {branch: self._prototypes(branch, enrolled) for branch in branches}
        labels = tuple(reference.label for reference in enrolled)
        on_site, heard = held_out_calibration(prototypes, held_out, self._bearable)
        decided_by, calibration = self._calibrate(prototypes, labels, on_site)
        if calibration is None:
            count = sum(len(next(iter(reference.vectors.values()))) for reference in enrolled)
            why = (
                f"machine {self.machine!r} raises no alarm: the bundle holds no calibration for it and its references "
                f"are {count} windows in {len(enrolled)} recordings, of which at least {MIN_LOOKS} in 3 are needed"
            )
            return Bank(prototypes, labels, None, UNREACHABLE, why, None)
        uncalibrated: str | None = None
        threshold = self._threshold(calibration)
        if threshold >= UNREACHABLE:
            uncalibrated = (
                f"machine {self.machine!r} raises no alarm: its normal sound varies so much that "
                f"{self._bearable.per_day:g} false alarms a day leave no score to raise one at"
            )
        return Bank(
            prototypes, labels, calibration, threshold, uncalibrated, self._shortage(calibration), heard, decided_by
        )

    def _prototypes(self, branch: str, references: Sequence[Reference]) -> PrototypeSet:
        rows: list[NDArray[np.float32]] = []
        labels: list[str] = []
        if branch in self._known:
            for domain, vectors in (
                ("source", self._known[branch].source),
                ("target", self._known[branch].target),
            ):
                rows.append(vectors)
                labels += [f"{domain}/{i}" for i in range(len(vectors))]
        for reference in references:
            vectors = reference.vectors[branch]
            if rows and vectors.shape[1:] != rows[0].shape[1:]:
                raise ScoringError(
                    f"{reference.label} has embeddings of shape {vectors.shape} in branch {branch!r} where "
                    f"(n, {rows[0].shape[-1]}) is expected: embed it again with this bundle"
                )
            rows.append(vectors)
            labels += [reference.label] * len(vectors)
        return PrototypeSet(branch, np.concatenate(rows), labels)

    def _calibrate(
        self, prototypes: Mapping[str, PrototypeSet], enrolled: Sequence[str], on_site: AlarmCalibration | None
    ) -> tuple[DecidedBy | None, Calibration | AlarmCalibration | None]:
        """The calibration that decides, and whose it is."""
        if on_site is not None and on_site.looks >= ENOUGH_LOOKS:
            return "held-out sound", on_site
        found: dict[DecidedBy, Calibration | AlarmCalibration] = {}
        if self._calibration is not None:
            found["bundle"] = self._calibration
        scores = leave_one_out_scores(prototypes, enrolled)
        if scores is not None:
            found["references"] = AlarmCalibration.of_windows(scores, self._bearable.hop_s, self._bearable.k)
        if on_site is not None:
            found["held-out sound"] = on_site
        return max(found.items(), key=lambda one: self._threshold(one[1]), default=(None, None))

    def _threshold(self, calibration: Calibration | AlarmCalibration) -> float:
        rate = self._bearable
        if isinstance(calibration, AlarmCalibration):
            return min(calibration.threshold(rate.per_day), UNREACHABLE)
        return min(calibration.threshold(rate.per_day, rate.hop_s, rate.k, rate.n), UNREACHABLE)

    def _shortage(self, calibration: Calibration | AlarmCalibration) -> str | None:
        rate = self._bearable
        if isinstance(calibration, AlarmCalibration):
            return calibration.shortage(rate.per_day)
        return calibration.shortage(rate.per_day, rate.hop_s, rate.k, rate.n)


def _calibrated(bank: Bank, score: float) -> float:
    if bank.calibration is None:
        return score / bank.threshold
    return bank.calibration.calibrated(score, bank.threshold)
