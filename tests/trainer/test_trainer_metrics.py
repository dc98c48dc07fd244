"""The official figures, against cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from trainer.errors import MetricError
from trainer.metrics import auc, harmonic_mean, partial_auc, section_figures


def test_the_auc_is_the_share_of_pairs_that_are_in_order() -> None:
    # Normal 1, 3; anomalous 2, 4: three of four pairs have the anomaly on top.
    assert auc([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.75)


def test_a_tie_counts_one_half() -> None:
    assert auc([0, 1], [0.5, 0.5]) == pytest.approx(0.5)
    assert auc([0, 0, 1], [0.1, 0.5, 0.5]) == pytest.approx(0.75)


def test_the_partial_auc_of_a_perfect_and_a_useless_score_are_one_and_one_half() -> None:
    labels = np.repeat([0, 1], 50)
    assert partial_auc(labels, labels.astype(float)) == pytest.approx(1.0)
    assert partial_auc(labels, np.zeros(100)) == pytest.approx(0.5)


def test_the_partial_auc_is_standardised_as_mcclish_does() -> None:
    # Ten normal clips 0..9 and two anomalies, at 9.5 and 8.5: the ROC is 0.5 up to a false-positive rate of 0.1.
    labels = [0] * 10 + [1, 1]
    scores = [*range(10), 9.5, 8.5]
    area, least, most = 0.05, 0.1**2 / 2, 0.1
    assert partial_auc(labels, scores) == pytest.approx(0.5 * (1 + (area - least) / (most - least)))


def test_a_domain_is_judged_by_its_own_normal_clips_against_the_anomalies_of_both_domains() -> None:
    labels = [0, 0, 1, 0, 0, 1]
    domains = ["source"] * 3 + ["target"] * 3
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.45]
    figures = section_figures(labels, scores, domains)
    assert figures.source_auc == pytest.approx(1.0)
    # Anomalies 0.3 and 0.45 against target normals 0.4 and 0.5: one of four pairs in order.
    assert figures.target_auc == pytest.approx(0.25)
    assert figures.partial_auc == pytest.approx(partial_auc(labels, scores))


def test_a_domain_without_normal_clips_has_no_figure_and_does_not_enter_the_mean() -> None:
    figures = section_figures([0, 1], [0.1, 0.9], ["source", "source"])
    assert figures.target_auc is None
    assert figures.harmonic_mean == pytest.approx(1.0)


def test_the_harmonic_mean_floors_a_zero_at_machine_epsilon() -> None:
    assert harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    epsilon = float(np.finfo(np.float64).eps)
    assert harmonic_mean([0.0, 1.0]) == pytest.approx(2 / (1 / epsilon + 1))


@pytest.mark.parametrize(
    ("labels", "scores", "sentence"),
    [
        ([0, 0], [0.1, 0.2], "all 2 clips are normal"),
        ([1, 1], [0.1, 0.2], "all 2 clips are anomalous"),
        ([], [], "all 0 clips are normal"),
        ([0, 1], [0.1, math.nan], "1 of 2 scores are NaN or infinite"),
        ([0, 1], [0.1], "must be two rows of the same length"),
    ],
)
def test_what_cannot_give_a_figure_is_refused(labels: list[int], scores: list[float], sentence: str) -> None:
    with pytest.raises(MetricError, match=sentence):
        auc(labels, scores)
    with pytest.raises(MetricError, match=sentence):
        partial_auc(labels, scores)


def test_no_figures_and_nan_have_no_harmonic_mean() -> None:
    with pytest.raises(MetricError, match="no figures"):
        harmonic_mean([])
    with pytest.raises(MetricError, match="NaN"):
        harmonic_mean([0.5, math.nan])
