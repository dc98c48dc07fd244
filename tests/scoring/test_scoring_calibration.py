"""Normal sound and a bearable rate of false alarms give a threshold that errs to the safe side."""

import json
from typing import Any

import numpy as np
import pytest

from asdstream.scoring.calibration import Calibration, independent_looks
from asdstream.scoring.errors import CalibrationError
from asdstream.scoring.false_alarms import FalseAlarmRate


def normal_scores(count: int, seed: int = 0, shape: float = 4.0) -> np.ndarray:
    return 0.05 + 0.01 * np.random.default_rng(seed).gamma(shape, size=count)


def test_an_alarm_takes_k_windows_over_the_threshold() -> None:
    assert FalseAlarmRate(per_day=1, hop_s=1, k=1, n=1).window_probability() == pytest.approx(1 / 86_400)
    assert FalseAlarmRate(per_day=1, hop_s=1, k=3, n=5).window_probability() == pytest.approx(3 / 86_400)
    assert FalseAlarmRate(per_day=1, hop_s=10, k=1, n=1).window_probability() == pytest.approx(1 / 8640)


@pytest.mark.parametrize(("hop_s", "k", "n"), [(1, 1, 1), (1, 3, 5), (1, 5, 8), (1, 11, 15), (10, 1, 1), (10, 2, 3)])
def test_the_rate_holds_for_windows_that_overlap_and_stay_correlated(hop_s: int, k: int, n: int) -> None:
    asked = 20.0
    rng = np.random.default_rng(0)
    # Ten seconds of white noise to a window, a new one every second: 20 days of them.
    total = np.cumsum(rng.normal(size=20 * 86_400))
    windows = (total[10:] - total[:-10])[::hop_s]
    probability = FalseAlarmRate(asked, hop_s, k, n).window_probability()
    over = windows > np.quantile(windows, 1 - probability)
    active = np.convolve(over, np.ones(n, dtype=int))[: len(over)] >= k
    alarms_per_day = np.count_nonzero(active[1:] & ~active[:-1]) / 20
    assert alarms_per_day <= asked


@pytest.mark.parametrize(
    ("per_day", "hop_s", "k", "n"),
    [(0, 1, 1, 1), (-1, 1, 1, 1), (90_000, 1, 1, 1), (float("nan"), 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 3, 2)],
)
def test_a_rate_that_makes_no_sense_is_refused(per_day: float, hop_s: float, k: int, n: int) -> None:
    with pytest.raises(CalibrationError):
        FalseAlarmRate(per_day, hop_s, k, n)


def test_the_fit_recovers_a_known_distribution() -> None:
    fitted = Calibration.fit(normal_scores(200_000))
    assert fitted.shape == pytest.approx(4, rel=0.1)
    assert fitted.location == pytest.approx(0.05, abs=0.002)
    assert fitted.looks == fitted.scores == 200_000


def test_the_rate_reached_on_unheard_normal_sound_is_not_above_the_one_asked_for() -> None:
    unheard = normal_scores(500_000, seed=99)
    for asked in (864.0, 86.4):
        rates = [
            np.mean(unheard > Calibration.fit(normal_scores(200, seed=seed)).threshold(asked, 10, 1, 1)) * 8640
            for seed in range(20)
        ]
        assert float(np.mean(rates)) < asked
        assert float(np.mean(rates)) > asked / 20, "and not absurdly far below it"


def test_the_threshold_is_never_below_the_largest_score_seen() -> None:
    scores = np.append(normal_scores(100), 1.5)
    fitted = Calibration.fit(scores)
    assert fitted.threshold(8000, 1, 1, 1) == 1.5


def test_a_rarer_false_alarm_asks_for_a_higher_threshold() -> None:
    fitted = Calibration.fit(normal_scores(1000))
    thresholds = [fitted.threshold(rate, 1, 3, 5) for rate in (100, 10, 1, 0.1, 1 / 365)]
    assert thresholds == sorted(set(thresholds))


def test_little_normal_sound_gives_a_higher_threshold() -> None:
    scores = normal_scores(300)
    few = Calibration.fit(scores, looks=30)
    assert few.threshold(1, 1, 3, 5) > Calibration.fit(scores).threshold(1, 1, 3, 5)


def test_overlapping_windows_count_by_the_sound_they_share() -> None:
    assert independent_looks(3, hop_s=1) == pytest.approx(1.2)
    assert independent_looks(3, hop_s=10) == 3
    assert independent_looks(3, hop_s=60) == 3
    assert independent_looks(0, hop_s=1) == 0


def test_too_little_normal_sound_is_said() -> None:
    fitted = Calibration.fit(normal_scores(20))
    assert fitted.shortage(100, 1, 3, 5) is None
    sentence = fitted.shortage(1, 1, 3, 5)
    assert sentence is not None
    assert "48 minutes of normal sound" in sentence
    with pytest.raises(CalibrationError, match="at least 100 s"):
        Calibration.fit(normal_scores(9))
    with pytest.raises(CalibrationError, match="at least 100 s"):
        Calibration.fit(normal_scores(1000), looks=9)
    with pytest.raises(CalibrationError, match="at least 100 s"):
        Calibration.fit([])


@pytest.mark.parametrize("scores", [[float("nan")] * 20, [-0.1] * 20, np.zeros((4, 20)), [float("inf")] * 20])
def test_scores_that_are_none_are_refused(scores: Any) -> None:
    with pytest.raises(CalibrationError, match="finite anomaly scores"):
        Calibration.fit(scores)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_scores_that_are_all_alike_still_give_a_threshold_above_them(value: float) -> None:
    fitted = Calibration.fit([value] * 50)
    threshold = fitted.threshold(1, 1, 3, 5)
    assert threshold > value
    assert np.isfinite(fitted.calibrated(value + 1e-4, threshold))


def test_the_calibrated_score_is_zero_at_the_median_and_one_at_the_threshold() -> None:
    fitted = Calibration.fit(normal_scores(500))
    threshold = fitted.threshold(1, 1, 3, 5)
    assert fitted.calibrated(fitted.median, threshold) == 0
    assert fitted.calibrated(threshold, threshold) == 1
    assert fitted.calibrated(fitted.median - 0.01, threshold) < 0


def test_a_calibration_survives_json() -> None:
    fitted = Calibration.fit(normal_scores(50), looks=40)
    assert Calibration.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"shape": None}, "shape is None"),
        ({"shape": "1"}, "shape is '1'"),
        ({"shape": -1.0}, "must be positive"),
        ({"median": 9.0}, "median <= largest"),
        ({"looks": 3.0}, "looks at least 10"),
        ({"largest": float("nan")}, "largest is nan"),
        ({"colour": 1.0}, "'colour' is unknown"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(CalibrationError, match=expected):
        Calibration.from_dict({**Calibration.fit(normal_scores(50)).to_dict(), **change})


def test_a_calibration_with_a_number_missing_is_refused() -> None:
    values = Calibration.fit(normal_scores(50)).to_dict()
    del values["scale"]
    with pytest.raises(CalibrationError, match="'scale' is missing"):
        Calibration.from_dict(values)
