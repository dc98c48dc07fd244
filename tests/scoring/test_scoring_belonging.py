"""Which recordings are refused as references, and why."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.bundle import BranchPrototypes
from asdstream.scoring.belonging import Candidate, ReferenceRefusedError, refuse_bad_sound, refuse_strangers
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import Scorer

RATE = FalseAlarmRate(0.1, 1.0, 5, 8)


def at(*angles: float) -> NDArray[np.float32]:
    """Embeddings (n, 2), each so many radians away from the prototype."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def angle(level: float, scorer: Scorer) -> float:
    """Where the score is so many times the threshold."""
    return float(np.arccos(1.0 - level * scorer.threshold))


def fan(references: Sequence[Reference] = (), *, known: bool = True) -> Scorer:
    calibration = Calibration.fit(np.abs(np.random.default_rng(0).normal(0.01, 0.002, 100)))
    prototypes = {"b": BranchPrototypes(at(0.0), np.zeros((0, 2), np.float32))}
    return Scorer("fan-1", prototypes if known else None, calibration, RATE, references)


def recording(name: str, *angles: float) -> Candidate:
    return Candidate(name, np.zeros(0, np.float32), {"b": at(*angles)})


def noise(seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    return (np.random.default_rng(1).standard_normal(round(seconds * 16_000)) * level).astype(np.float32)


def test_sound_of_a_dead_input_is_refused_and_a_short_pause_is_not() -> None:
    refuse_bad_sound("pause.wav", np.concatenate([noise(20), np.zeros(16_000, np.float32)]))
    with pytest.raises(ReferenceRefusedError, match=r"half\.wav is silent, .* for 5 of 10 s"):
        refuse_bad_sound("half.wav", np.concatenate([noise(5), np.zeros(80_000, np.float32)]))


def test_clipped_sound_is_refused() -> None:
    refuse_bad_sound("loud.wav", np.clip(noise(2, 0.35), -1.0, 1.0))
    with pytest.raises(ReferenceRefusedError, match=r"clipped: 3\d\.\d% of its samples"):
        refuse_bad_sound("clipped.wav", np.clip(noise(2, 1.0), -1.0, 1.0))


def test_a_recording_is_refused_when_it_would_raise_the_alarm_and_not_for_a_window_or_two() -> None:
    scorer = fan()
    near, over = angle(0.5, scorer), angle(1.5, scorer)
    refuse_strangers([recording("ok.wav", near, near, over)], scorer)
    with pytest.raises(ReferenceRefusedError, match=r"odd\.wav would itself raise the alarm: .* at 1\.5 times"):
        refuse_strangers([recording("ok.wav", near), recording("odd.wav", near, over, over)], scorer)


def test_a_single_window_far_from_everything_is_enough_to_refuse() -> None:
    scorer = fan()
    near = angle(0.5, scorer)
    with pytest.raises(ReferenceRefusedError, match=r"from second 20 on that is far .* at 4\.0 times"):
        refuse_strangers([recording("bang.wav", near, near, angle(4.0, scorer), near)], scorer)


def test_three_recordings_of_another_place_speak_for_one_another_where_none_is_enrolled() -> None:
    scorer = fan()
    here = [recording(f"{i}.wav", 1.0 + 0.01 * i, 1.005 + 0.01 * i) for i in range(4)]
    refuse_strangers(here, scorer)
    with pytest.raises(ReferenceRefusedError, match=r"strange\.wav does not sound like the other recordings"):
        refuse_strangers([*here, recording("strange.wav", 1.5, 1.5)], scorer)
    with pytest.raises(ReferenceRefusedError, match="would itself raise the alarm"):
        refuse_strangers(here[:2], scorer)
    enrolled = fan([Reference("reference/1", {"b": at(0.0)})])
    with pytest.raises(ReferenceRefusedError, match="would itself raise the alarm"):
        refuse_strangers(here, enrolled)


def test_without_a_threshold_nothing_can_be_said() -> None:
    refuse_strangers([recording("first.wav", 1.5)], fan(known=False))
    few = fan([Reference("reference/1", {"b": at(0.0)})], known=False)
    assert few.uncalibrated is not None
    refuse_strangers([recording("second.wav", 1.5)], few)
