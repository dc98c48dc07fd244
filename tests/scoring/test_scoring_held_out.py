"""Normal sound that is held out for the calibration makes no prototype, and enough of it sets the threshold alone."""

import numpy as np
import pytest

from asdstream.bundle import BranchPrototypes
from asdstream.engine.separate_as import SEPARATED
from asdstream.scoring.alarm_calibration import AlarmCalibration
from asdstream.scoring.both_ways_scorer import BothWaysScorer
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.errors import ScoringError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import ENOUGH_LOOKS, Scorer

SIZE = 32
RATE = FalseAlarmRate(per_day=4, hop_s=1, k=3, n=5)
CENTRE = np.random.default_rng(0).normal(size=SIZE)


def around(count: int, seed: int, spread: float = 0.1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, SIZE))
    return (CENTRE + spread * noise).astype(np.float32)


def enrolled(count: int = 12) -> list[Reference]:
    return [Reference(f"reference/{i}", {"audiomae": around(1, seed=i)}) for i in range(count)]


def stream(windows: int, seed: int = 99, hop_s: float = 1.0) -> Reference:
    """Windows that share nine tenths of their sound with the next."""
    noise = np.random.default_rng(seed).normal(size=(windows + 9, SIZE))
    shared = sum(noise[i : i + windows] for i in range(10)) / np.sqrt(10)
    return Reference(f"reference/held-{seed}", {"audiomae": (CENTRE + 0.1 * shared).astype(np.float32)}, hop_s)


def test_held_out_sound_makes_no_prototype_and_its_threshold_is_that_of_its_scores() -> None:
    held = stream(1800)
    scorer = Scorer("press", None, None, RATE, [*enrolled(), held])
    bank = scorer.bank
    assert bank.references == tuple(one.label for one in enrolled())
    assert bank.held_out == (held.label,)
    assert len(bank.prototypes["audiomae"]) == 12
    expected = AlarmCalibration.of_recordings([scorer.score_vectors(held.vectors)], 1.0, 3, 5)
    assert expected.looks >= ENOUGH_LOOKS
    assert scorer.threshold == pytest.approx(expected.threshold(4))
    assert scorer.threshold < Scorer("press", None, None, RATE, enrolled()).threshold, "few references are a guess"


def test_enough_of_it_decides_alone_and_less_is_one_more_for_the_largest_threshold() -> None:
    wide = Calibration.fit(np.random.default_rng(5).gamma(9, 0.05, size=500))
    known = Scorer("press", None, None, RATE, enrolled()).bank.prototypes["audiomae"]
    prototypes = {"audiomae": BranchPrototypes(known.vectors, np.zeros((0, SIZE), np.float32))}
    bundled = Scorer("press", prototypes, wide, RATE)
    assert Scorer("press", prototypes, wide, RATE, [stream(300)]).threshold == bundled.threshold
    assert Scorer("press", prototypes, wide, RATE, [stream(1800)]).threshold < bundled.threshold


def test_a_recording_that_is_also_enrolled_is_not_heard() -> None:
    held = stream(1800)
    copy = Reference("reference/copy", {"audiomae": held.vectors["audiomae"][500:501]})
    bank = Scorer("press", None, None, RATE, [*enrolled(), copy, held, stream(1700, seed=98)]).bank
    assert bank.held_out == ("reference/held-98",)


def test_windows_of_a_shorter_hop_are_heard_at_the_alarms_and_those_of_another_are_not() -> None:
    coarse = FalseAlarmRate(per_day=4, hop_s=2, k=3, n=5)
    bank = Scorer("press", None, None, coarse, [*enrolled(), stream(1800), stream(900, 97, hop_s=1.5)]).bank
    assert bank.held_out == ("reference/held-99",)
    assert isinstance(bank.calibration, AlarmCalibration)
    assert len(bank.calibration.levels) == 896


def test_held_out_sound_alone_is_nothing_to_compare_with() -> None:
    scorer = Scorer("press", None, None, RATE, [stream(1800)])
    assert not scorer.ready
    assert scorer.uncalibrated is not None


def test_held_out_embeddings_that_do_not_fit_are_refused() -> None:
    wrong = Reference("reference/x", {"beats": around(100, 1)}, 1.0)
    with pytest.raises(ScoringError, match="embed it again"):
        Scorer("press", None, None, RATE, [*enrolled(), wrong])


def test_heard_both_ways_each_way_has_its_own_held_out_scores() -> None:
    def both(one: Reference) -> Reference:
        rows = one.vectors["audiomae"]
        return Reference(one.label, {"audiomae": rows, f"audiomae{SEPARATED}": rows}, one.held_out_hop_s)

    def make(references: object) -> Scorer:
        return Scorer("press", None, None, RATE, references)  # type: ignore[arg-type]

    scorer = BothWaysScorer("press", make, make, [both(one) for one in (*enrolled(), stream(1800))])
    alone = Scorer("press", None, None, RATE, [*enrolled(), stream(1800)])
    assert scorer.threshold == pytest.approx(alone.threshold)
    assert {suffix: bank.held_out for suffix, bank in scorer.banks.items()} == {
        "": ("reference/held-99",),
        SEPARATED: ("reference/held-99",),
    }
