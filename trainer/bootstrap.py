"""How far a figure could have come out otherwise: the bootstrap over test clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.catalogue import Domain
from trainer.errors import MetricError
from trainer.metrics import MAX_FALSE_POSITIVE_RATE
from trainer.randomness import numpy_generator
from trainer.results import SectionResult, SystemResult

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which values a figure lies with a confidence of 95 %."""

    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Interval":
        """The middle 95 % of `values` (R,)."""
        low, high = np.quantile(values, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
        return cls(float(low), float(high))


def resampled_means(
    results: Sequence[SystemResult], seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64] | None:
    """Harmonic means (resamples, systems) over test clips drawn with replacement, within domain and condition.

    Every system meets the same draws, so that its difference from another has an interval of its own, narrower than
    those of the two. The training clips, and with them the fitted systems, stay as they are, so the scatter from one
    training to the next is not in it. None where no truth is known; MetricError where systems scored other clips.
    """
    known = [[section for section in result.sections if section.truth_known] for result in results]
    if not known or not known[0]:
        return None
    _check_same_clips(known)
    inverse = np.zeros((resamples, len(results)))
    figures = 0
    for places in zip(*known, strict=True):
        weights = _draws(places[0], seed, resamples)
        for system, section in enumerate(places):
            values = weighted_figures(section, weights)
            inverse[:, system] += (1.0 / np.maximum(values, np.finfo(np.float64).eps)).sum(axis=1)
        figures += values.shape[1]
    return np.asarray(figures / inverse)


def _check_same_clips(known: Sequence[Sequence[SectionResult]]) -> None:
    names = [[(s.machine, s.section, *(clip.file for clip in s.clips)) for s in sections] for sections in known]
    if any(other != names[0] for other in names[1:]):
        raise MetricError("the systems scored different clips, so they cannot be compared clip by clip")


def _draws(section: SectionResult, seed: int, resamples: int) -> NDArray[np.float64]:
    """How often each clip is drawn: (resamples, clips)."""
    generator = numpy_generator(seed, "bootstrap", section.machine, section.section)
    weights = np.zeros((resamples, len(section.clips)))
    for domain in Domain:
        for condition in (False, True):
            members = np.flatnonzero((section.domains == domain) & (section.anomalous == condition))
            if len(members):
                shares = np.full(len(members), 1.0 / len(members))
                weights[:, members] = generator.multinomial(len(members), shares, size=resamples)
    return weights


def weighted_figures(section: SectionResult, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The known figures of a section (R, figures), in the order of `SectionFigures.known`, with its clips weighted.

    `weights` is (R, clips). With ones it gives what `section_figures` gives.
    """
    anomalous, scores = section.anomalous, section.scores
    columns = []
    for domain in Domain:
        normal = ~anomalous & (section.domains == domain)
        if normal.any():
            above = scores[anomalous][:, None] > scores[normal]
            level = scores[anomalous][:, None] == scores[normal]
            pairs = (weights[:, anomalous] @ (above + 0.5 * level) * weights[:, normal]).sum(axis=1)
            columns.append(pairs / (weights[:, anomalous].sum(axis=1) * weights[:, normal].sum(axis=1)))
    columns.append(_weighted_partial_auc(anomalous, scores, weights))
    return np.stack(columns, axis=1)


def _weighted_partial_auc(
    anomalous: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    levels, place = np.unique(-scores, return_inverse=True)
    steps = np.zeros((2, len(weights), len(levels) + 1))
    for clip, level in enumerate(place):
        steps[int(anomalous[clip]), :, level + 1] += weights[:, clip]
    rates = steps.cumsum(axis=2)
    false_positive, true_positive = rates / rates[:, :, -1:]
    # The ROC curve is cut at the highest rate, within the piece that crosses it.
    cut = np.minimum(false_positive, MAX_FALSE_POSITIVE_RATE)
    width = np.diff(cut, axis=1)
    whole = np.diff(false_positive, axis=1)
    share = np.divide(width, whole, out=np.zeros_like(width), where=whole > 0)
    rise = np.diff(true_positive, axis=1) * share
    area = (width * (true_positive[:, :-1] + rise / 2)).sum(axis=1)
    chance = MAX_FALSE_POSITIVE_RATE**2 / 2
    return np.asarray(0.5 * (1.0 + (area - chance) / (MAX_FALSE_POSITIVE_RATE - chance)))
