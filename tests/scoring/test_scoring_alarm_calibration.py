"""On series whose tail and correlation are known, the alarms that come are about as many as were asked for."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from asdstream.scoring.alarm_calibration import MIN_PEAKS, AlarmCalibration
from asdstream.scoring.alarm_level import alarm_levels
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.clusters import cluster_peaks
from asdstream.scoring.effective_looks import effective_looks
from asdstream.scoring.errors import CalibrationError
from asdstream.scoring.expected_alarms import expected_alarms
from asdstream.scoring.pareto import HEAVIEST, ParetoTail

Series = Callable[[int, np.random.Generator], np.ndarray]
HOUR = 3600
K, N = 5, 8
WITHIN = 4.0
"""How many times as often as asked alarms may come, where there is enough normal sound."""


def overlapping(count: int, rng: np.random.Generator, memory: int = 10) -> np.ndarray:
    """Standard normal values of windows that last `memory` hops: neighbours share all but one hop of noise."""
    total = np.cumsum(rng.normal(size=count + memory))
    return (total[memory:] - total[:-memory]) / np.sqrt(memory)


def gamma_like(count: int, rng: np.random.Generator) -> np.ndarray:
    """0.05 + gamma of shape 2, which is half the sum of four squares."""
    return 0.05 + 0.005 * sum(overlapping(count, rng) ** 2 for _ in range(4))


def heavy(count: int, rng: np.random.Generator) -> np.ndarray:
    return 0.05 * np.exp(0.6 * overlapping(count, rng))


def slow(count: int, rng: np.random.Generator) -> np.ndarray:
    """The machine's state outlasts a window: a minute of memory."""
    return 0.05 + 0.01 * np.exp(0.5 * overlapping(count, rng, memory=60))


def alarms_in(scores: np.ndarray, threshold: float) -> int:
    """Counted as an alarm is raised and cleared by default, its levels apart."""
    over = np.convolve(scores > threshold, np.ones(N, dtype=int))[: len(scores)] >= K
    at = np.flatnonzero(over)
    return 0 if not len(at) else 1 + int(np.count_nonzero(np.diff(at) > 10))


@pytest.mark.parametrize("series", [gamma_like, heavy, slow])
@pytest.mark.parametrize(("hours", "asked"), [(2, 48.0), (4, 12.0), (8, 2.0)])
def test_alarms_on_unheard_normal_sound_come_about_as_often_as_asked_for(
    series: Series, hours: int, asked: float
) -> None:
    rng = np.random.default_rng(7)
    days = 10
    unheard = series(days * 24 * HOUR, rng)
    rates = []
    for _ in range(7):
        fitted = AlarmCalibration.of_recordings([series(hours * HOUR, rng)], 1.0, K, N)
        assert fitted.shortage(asked) is None
        rates.append(alarms_in(unheard, fitted.threshold(asked)) / days)
    assert asked / 20 < float(np.mean(rates)) < asked * WITHIN
    assert float(np.median(rates)) < asked * WITHIN / 2


def test_windows_that_share_sound_give_no_more_alarms_than_they_can() -> None:
    rng = np.random.default_rng(5)
    # The same sound, once as consecutive windows and once every tenth alone, whose order nobody knows.
    scores = gamma_like(6 * HOUR, rng)
    known = AlarmCalibration.of_recordings([scores], 1.0, K, N)
    alone = AlarmCalibration.of_windows(scores[::10], 1.0, K)
    unheard = gamma_like(20 * 24 * HOUR, rng)
    assert known.threshold(4.0) < alone.threshold(4.0), "the bound costs sensitivity"
    assert alarms_in(unheard, alone.threshold(4.0)) / 20 < 4.0


def test_few_windows_alone_give_the_threshold_of_the_gamma_tail() -> None:
    scores = np.random.default_rng(0).gamma(4, 0.01, size=40)
    alone = AlarmCalibration.of_windows(scores, 1.0, 5)
    for asked in (1.0, 0.1):
        assert alone.tail(asked) == "gamma"
        assert alone.threshold(asked) == pytest.approx(Calibration.fit(scores).threshold(asked, 1.0, 5, 8))
        assert alone.shortage(asked) == Calibration.fit(scores).shortage(asked, 1.0, 5, 8)


def test_rare_rates_are_for_the_pareto_tail_and_moderate_ones_for_gamma() -> None:
    fitted = AlarmCalibration.of_recordings([heavy(4 * HOUR, np.random.default_rng(1))], 1.0, K, N)
    moderate = 1 / (fitted.days * fitted.share)
    assert fitted.tail(moderate * 1.001) == "gamma"
    assert fitted.tail(moderate * 0.999) == "generalised Pareto"
    short = AlarmCalibration.of_recordings([heavy(900, np.random.default_rng(1))], 1.0, K, N)
    assert short.tail(0.1) == "gamma", f"there are no {MIN_PEAKS} peaks"


def test_too_little_normal_sound_is_said_with_how_much_is_needed() -> None:
    rng = np.random.default_rng(2)
    fitted = AlarmCalibration.of_recordings([gamma_like(1800, rng)], 1.0, K, N)
    sentence = fitted.shortage(0.1)
    assert sentence is not None
    assert "ask for at least" in sentence
    assert "hours of normal sound" in sentence
    assert fitted.shortage(10) is None
    with pytest.raises(CalibrationError, match="at least 100 s are needed"):
        AlarmCalibration.of_recordings([gamma_like(60, rng)], 1.0, K, N)
    with pytest.raises(CalibrationError, match="at least 100 s are needed"):
        AlarmCalibration.of_recordings([gamma_like(7, rng)] * 100, 1.0, K, N)
    with pytest.raises(CalibrationError, match="at least 100 s are needed"):
        AlarmCalibration.of_recordings([], 1.0, K, N)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.1])
def test_scores_that_are_none_are_refused_in_one_sentence(wrong: float) -> None:
    scores = gamma_like(600, np.random.default_rng(0))
    scores[17] = wrong
    for fit in (lambda: AlarmCalibration.of_recordings([scores], 1.0, K, N), lambda: _alone(scores)):
        with pytest.raises(CalibrationError, match="calibration takes a list of finite anomaly scores"):
            fit()


def _alone(scores: np.ndarray) -> AlarmCalibration:
    return AlarmCalibration.of_windows(scores, 1.0, K)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    series=st.sampled_from([gamma_like, heavy, slow]),
    count=st.sampled_from([1500, 6000]),
    factor=st.floats(0.01, 20),
)
def test_the_threshold_falls_with_the_rate_scales_with_the_scores_and_stays_over_what_is_usual(
    seed: int, series: Series, count: int, factor: float
) -> None:
    scores = series(count, np.random.default_rng(seed))
    try:
        fitted = AlarmCalibration.of_recordings([scores], 1.0, K, N)
    except CalibrationError:
        assert series is slow, "only windows so much alike say too little"
        reject()
    scaled = AlarmCalibration.of_recordings([factor * scores], 1.0, K, N)
    asked = np.geomspace(1e-4, 1000, 25)
    thresholds = np.array([fitted.threshold(rate) for rate in asked])
    assert np.all(np.diff(thresholds) <= 1e-12)
    np.testing.assert_allclose([scaled.threshold(rate) for rate in asked], factor * thresholds, rtol=1e-6, atol=1e-8)
    largest = alarm_levels(scores, K, N).max()
    assert np.all(thresholds[asked * fitted.days < 1] >= largest)
    assert np.all(thresholds > fitted.median)
    for rate, threshold in zip(asked, thresholds, strict=True):
        expected = rate * fitted.days
        assert np.count_nonzero(fitted.rung(expected).peaks > threshold) <= expected


def test_the_power_law_is_not_followed_further_than_the_data_carry_it() -> None:
    fitted = AlarmCalibration.of_recordings([heavy(4 * HOUR, np.random.default_rng(1))], 1.0, K, N)
    reach = 1 / (100 * fitted.days * fitted.share)
    steps = np.diff([fitted.threshold(reach / 10**i) for i in range(6)])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6, err_msg="beyond it each decade costs the same")
    assert fitted.shortage(reach * 1.01) is None
    assert fitted.shortage(reach * 0.99) is not None


def test_scores_that_are_all_alike_still_give_a_threshold_above_them() -> None:
    fitted = AlarmCalibration.of_recordings([np.full(500, 0.3)], 1.0, K, N)
    assert fitted.threshold(1.0) > 0.3


def test_the_level_is_what_k_of_n_windows_reach() -> None:
    scores = np.random.default_rng(0).random(300)
    levels = alarm_levels(scores, 3, 5)
    for threshold in (0.2, 0.5, 0.9):
        over = np.convolve(scores > threshold, np.ones(5, dtype=int), mode="valid") >= 3
        np.testing.assert_array_equal(levels > threshold, over)
    assert len(alarm_levels(scores[:4], 3, 5)) == 0


def test_values_over_a_level_are_one_cluster_until_enough_are_not() -> None:
    values = np.array([0, 2, 0, 3, 0, 0, 0, 4, 1, 0], dtype=float)
    np.testing.assert_array_equal(cluster_peaks([values], 0.5, 2), [3, 4])
    np.testing.assert_array_equal(cluster_peaks([values], 0.5, 1), [2, 3, 4])
    np.testing.assert_array_equal(cluster_peaks([values], 0.5, 9), [4])
    np.testing.assert_array_equal(cluster_peaks([values[:4], values[4:]], 0.5, 9), [3, 4])
    assert len(cluster_peaks([values], 9, 1)) == 0


def test_independent_looks_are_counted_by_the_sound_shared_and_by_how_long_a_state_lasts() -> None:
    rng = np.random.default_rng(0)
    quick, lasting = overlapping(20_000, rng), overlapping(20_000, rng, memory=100)
    assert effective_looks([quick], 1.0) == pytest.approx(2000, rel=0.2)
    assert effective_looks([lasting], 1.0) == pytest.approx(200, rel=0.35)
    assert effective_looks([rng.normal(size=500)], 10.0) == pytest.approx(500)
    apart = [centre + 0.01 * rng.normal(size=50) for centre in rng.normal(size=40)]
    assert effective_looks(apart, 10.0) < 80, "recordings that differ as a whole count little more than once"
    assert effective_looks([], 1.0) == 0


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_the_pareto_tail_is_recovered(shape: float) -> None:
    uniform = np.random.default_rng(0).random(200_000)
    excesses = -np.log(uniform) if shape == 0 else (uniform**-shape - 1) / shape
    fitted = ParetoTail.fit(2 * excesses)
    assert fitted.shape == pytest.approx(shape, abs=0.03)
    assert fitted.scale == pytest.approx(2, rel=0.03)
    assert fitted.exceeded(fitted.quantile(1e-3, 1e-9)) == pytest.approx(1e-3)
    assert fitted.exceeded(0) == 1


def test_a_tail_that_ends_or_has_no_variance_is_never_concluded() -> None:
    assert ParetoTail.fit(np.random.default_rng(0).random(500)).shape == 0
    assert ParetoTail.fit(np.array([1e-3] * 50 + [10.0])).shape == HEAVIEST
    assert ParetoTail.fit(np.full(40, 0.5)).shape == 0


@pytest.mark.parametrize(("hours", "asked"), [(0.5, 24.0), (6, 1.0)])
def test_the_expected_alarms_have_an_interval_around_them(hours: float, asked: float) -> None:
    rng = np.random.default_rng(11)
    fitted = AlarmCalibration.of_recordings([gamma_like(int(hours * HOUR), rng)], 1.0, K, N)
    threshold = fitted.threshold(asked)
    found = expected_alarms(fitted, asked, threshold)
    assert 0 <= found.low <= found.per_day <= found.high
    assert found.per_day < asked * WITHIN
    assert found.heard == 0
    assert found.proven == pytest.approx(3.0 / (fitted.days * fitted.share), rel=0.01)
    reached = alarms_in(gamma_like(10 * 24 * HOUR, rng), threshold) / 10
    assert found.low - 0.3 <= reached <= 3 * found.high
    assert expected_alarms(fitted, asked, threshold) == found
