"""The figures of DCASE Task 2, computed as the official evaluator computes them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from trainer.errors import MetricError

MAX_FALSE_POSITIVE_RATE = 0.1
"""The partial AUC looks at the false-positive rates that a plant would bear."""


@dataclass(frozen=True, slots=True)
class SectionFigures:
    """The figures of one section of one machine; None where its clips cannot give one (a domain without clips)."""

    source_auc: float | None
    target_auc: float | None
    partial_auc: float

    @property
    def known(self) -> tuple[float, ...]:
        """The figures that enter the official score."""
        return tuple(value for value in (self.source_auc, self.target_auc, self.partial_auc) if value is not None)

    @property
    def harmonic_mean(self) -> float:
        """Harmonic mean of this section's figures."""
        return harmonic_mean(self.known)


def auc(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of `scores` (N,) for the labels `anomalous` (N,); a tie counts one half.

    Raises MetricError for NaN, unequal lengths, or clips of one kind only.
    """
    labels, values = _checked(anomalous, scores)
    return float(roc_auc_score(labels, values))


def partial_auc(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """AUC up to a false-positive rate of 0.1, McClish-standardised so that chance is 0.5. Errors as `auc`."""
    labels, values = _checked(anomalous, scores)
    return float(roc_auc_score(labels, values, max_fpr=MAX_FALSE_POSITIVE_RATE))


def section_figures(anomalous: ArrayLike, scores: ArrayLike, domains: Iterable[str]) -> SectionFigures:
    """The three figures of one section from labels (N,), scores (N,) and domains ("source" or "target").

    The AUC of a domain sets that domain's normal clips against all anomalies, of both domains; the partial AUC takes
    every clip. Errors as `auc`.
    """
    labels, values = _checked(anomalous, scores)
    domain = np.array(list(domains))
    if domain.shape != labels.shape:
        raise MetricError(f"{len(domain)} domains were given for {len(labels)} scores; there must be one for each")

    def of_domain(name: str) -> float | None:
        chosen = labels | (domain == name)
        if labels[chosen].all():
            return None
        return float(roc_auc_score(labels[chosen], values[chosen]))

    return SectionFigures(of_domain("source"), of_domain("target"), partial_auc(labels, values))


def harmonic_mean(values: Iterable[float]) -> float:
    """The official score: harmonic mean, each value floored at machine epsilon so that one zero does not divide."""
    floored = np.maximum(np.array(list(values), dtype=np.float64), np.finfo(np.float64).eps)
    if floored.size == 0:
        raise MetricError("the harmonic mean of no figures is undefined; at least one section must be scored")
    if np.isnan(floored).any():
        raise MetricError("a figure is NaN, so there is no harmonic mean; every figure must be a number")
    return float(floored.size / np.sum(1.0 / floored))


def _checked(anomalous: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    labels = np.asarray(anomalous).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != values.shape:
        raise MetricError(f"labels {labels.shape} and scores {values.shape} must be two rows of the same length")
    if not np.isfinite(values).all():
        raise MetricError(f"{int((~np.isfinite(values)).sum())} of {values.size} scores are NaN or infinite")
    if labels.all() or not labels.any():
        kind = "anomalous" if labels.size and labels.all() else "normal"
        raise MetricError(f"all {labels.size} clips are {kind}; an AUC needs normal and anomalous ones")
    return labels, values
