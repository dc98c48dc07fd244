"""What is drawn of a recording's scores."""

import numpy as np
import pytest
from drawing.scored_noise import scored_noise

from asdstream.drawing.scored_recording import COLUMNS, ScoredRecording


def test_every_moment_has_the_score_of_the_window_whose_middle_is_nearest() -> None:
    begins, scores = scored_noise(0.1, 0.2, 0.3).steps(100)
    assert begins.tolist() == [0.0, 5.5, 6.5, 12.0]
    assert scores.tolist() == [0.1, 0.2, 0.3]


def test_one_window_speaks_for_the_whole_recording() -> None:
    begins, scores = scored_noise(0.4).steps(100)
    assert (begins.tolist(), scores.tolist()) == ([0.0, 10.0], [0.4])


def test_of_more_scores_than_can_be_drawn_the_highest_of_neighbours_stays() -> None:
    scores = np.zeros(3_591)
    scores[2_000] = 0.9
    begins, steps = scored_noise(*scores).steps(100)
    assert len(steps) <= 100
    assert len(begins) == len(steps) + 1
    assert (begins[0], begins[-1]) == (0.0, 3_600.0)
    (loud,) = np.flatnonzero(steps == 0.9)
    assert begins[loud] <= 2_005.0 <= begins[loud + 1]


def test_scores_far_over_the_threshold_are_cut_off_so_that_the_others_can_be_seen() -> None:
    far = scored_noise(0.5, 50.0)
    assert far.score_range == pytest.approx((0.0, 4.32))
    assert far.cut_off
    near = scored_noise(0.5, 2.0)
    assert near.score_range == pytest.approx((0.0, 2.16))
    assert not near.cut_off
    assert not scored_noise(0.5, 50.0, threshold=None).cut_off, "without a threshold nothing is far"


def test_the_verdict_says_whether_the_mean_is_over_the_threshold() -> None:
    assert scored_noise(0.5, 2.0).verdict == "ANOMALOUS: score 1.2500, highest 2.0000, threshold 1.0000"
    assert scored_noise(0.5, 1.2).verdict == "normal: score 0.8500, highest 1.2000, threshold 1.0000"
    assert scored_noise(0.5, threshold=None).verdict == "score 0.5000, highest 0.5000, no threshold"


@pytest.mark.parametrize(("seconds", "columns"), [(0.01, 1), (2.0, 122), (60.0, COLUMNS)])
def test_what_is_kept_of_a_recording_is_small_and_as_long_as_the_recording(seconds: float, columns: int) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * 16_000)).astype(np.float32)
    scored = ScoredRecording.of("fan.wav", samples, 16_000, [0.25], 10.0, 1.0, 0.25, None)
    assert (scored.seconds, scored.scores) == (pytest.approx(seconds), (0.25,))
    assert scored.spectrogram.mel.shape[0] == 128
    assert columns / 2 <= scored.spectrogram.mel.shape[1] <= columns
