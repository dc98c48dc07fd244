"""A machine's score is its distance to all that is known of it; references change that between two windows."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import Branch, BranchPrototypes, Bundle, MachineType
from asdstream.engine.embedding import Embedding
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.errors import CalibrationError, ScoringError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import UNREACHABLE, Scorer

SIZE = 32
BEARABLE = FalseAlarmRate(per_day=1, hop_s=1, k=3, n=5)
RNG = np.random.default_rng(0)
CENTRE = RNG.normal(size=SIZE)


def around(centre: np.ndarray, count: int, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, SIZE))
    return (centre + spread * noise).astype(np.float32)


def known(seed: int = 0) -> BranchPrototypes:
    return BranchPrototypes(around(CENTRE, 16, seed=seed), around(CENTRE, 2, seed=seed + 100))


def references(count: int, windows: int = 1, centre: np.ndarray = -CENTRE) -> list[Reference]:
    return [Reference(f"reference/{i}", {"audiomae": around(centre, windows, seed=1000 + i)}) for i in range(count)]


def embedding(vector: np.ndarray, **others: np.ndarray) -> Embedding:
    window = Window("north", 7, np.zeros(WINDOW_SAMPLES, np.float32), 100.0, 110.0, 5.0)
    return Embedding(window, {"audiomae": vector.astype(np.float32), **others})


def calibration() -> Calibration:
    return Calibration.fit(np.random.default_rng(5).gamma(9, 0.001, size=500))


def test_a_scored_window_carries_its_times_score_threshold_and_nearest_prototypes() -> None:
    scorer = Scorer("press", {"audiomae": known()}, calibration(), BEARABLE)
    scored = scorer.score(embedding(known().source[4]))
    assert (scored.channel, scored.machine, scored.index) == ("north", "press", 7)
    assert (scored.started_at, scored.ended_at, scored.captured) == (100.0, 110.0, 5.0)
    assert scored.score == pytest.approx(0, abs=1e-6)
    assert scored.threshold == calibration().threshold(1, 1, 3, 5)
    assert not scored.anomalous
    assert scored.nearest[0].label == "source/4"
    assert [near.distance for near in scored.nearest] == sorted(near.distance for near in scored.nearest)
    strange = scorer.score(embedding(-CENTRE))
    assert strange.anomalous
    assert strange.calibrated > 1


def test_the_calibrated_score_crosses_one_where_the_score_crosses_the_threshold() -> None:
    scorer = Scorer("press", {"audiomae": known()}, calibration(), BEARABLE)
    rng = np.random.default_rng(3)
    for share in np.linspace(0, 1, 20):
        scored = scorer.score(embedding((1 - share) * CENTRE + share * rng.normal(size=SIZE)))
        assert scored.anomalous == (scored.calibrated > 1)


def test_with_two_branches_the_score_is_the_mean() -> None:
    beats = BranchPrototypes(around(CENTRE, 16, seed=8), np.zeros((0, SIZE), np.float32))
    both = Scorer("press", {"audiomae": known(), "beats": beats}, None, BEARABLE)
    first = Scorer("press", {"audiomae": known()}, None, BEARABLE)
    second = Scorer("press", {"beats": beats}, None, BEARABLE)
    vectors = {"audiomae": around(CENTRE, 5, 1.0, seed=1), "beats": around(CENTRE, 5, 1.0, seed=2)}
    expected = (first.score_vectors(vectors) + second.score_vectors(vectors)) / 2
    np.testing.assert_allclose(both.score_vectors(vectors), expected, atol=1e-7)
    one = both.score(embedding(vectors["audiomae"][3], beats=vectors["beats"][3]))
    assert one.score == pytest.approx(expected[3], abs=1e-6)
    assert {near.branch for near in one.nearest} == {"audiomae", "beats"}
    with pytest.raises(ScoringError, match="lacks branch 'beats'"):
        both.score(embedding(CENTRE))


def test_a_reference_makes_its_sound_normal_and_removing_it_undoes_that() -> None:
    scorer = Scorer("press", {"audiomae": known()}, calibration(), BEARABLE)
    site = references(2)
    new = embedding(site[0].vectors["audiomae"][0])
    assert scorer.score(new).anomalous
    bank = scorer.replace_references(site)
    assert bank.references == ("reference/0", "reference/1")
    assert scorer.score(new).score == pytest.approx(0, abs=1e-6)
    assert scorer.score(new).nearest[0].label == "reference/0"
    scorer.replace_references([])
    assert scorer.score(new).anomalous


def test_a_machine_that_the_bundle_does_not_know_is_scored_by_its_references() -> None:
    scorer = Scorer("press", None, None, BEARABLE, references(12))
    assert scorer.ready
    assert scorer.uncalibrated is None
    assert not scorer.score(embedding(around(-CENTRE, 1, seed=77)[0])).anomalous
    assert scorer.score(embedding(CENTRE)).anomalous


@pytest.mark.parametrize(("recordings", "windows"), [(1, 1), (9, 1), (2, 50)])
def test_with_too_few_references_the_scorer_scores_and_says_that_it_is_uncalibrated(
    recordings: int, windows: int
) -> None:
    scorer = Scorer("press", None, None, BEARABLE, references(recordings, windows))
    assert scorer.uncalibrated is not None
    assert f"{recordings * windows} windows in {recordings} recordings" in scorer.uncalibrated
    scored = scorer.score(embedding(CENTRE))
    assert scored.score > 1.5
    assert scored.threshold == UNREACHABLE
    assert not scored.anomalous
    assert 0 <= scored.calibrated <= 1


def test_a_recording_is_left_out_whole() -> None:
    # Windows of one recording are nearly the same; recordings differ.
    close = [
        Reference(f"reference/{i}", {"audiomae": around(around(CENTRE, 1, 0.5, seed=i)[0], 5, 0.001, seed=50 + i)})
        for i in range(6)
    ]
    scorer = Scorer("press", None, None, BEARABLE, close)
    assert scorer.bank.calibration is not None
    assert scorer.bank.calibration.median > 0.05


def test_a_recording_enrolled_twice_does_not_lower_the_threshold() -> None:
    once = references(12)
    again = [Reference(f"{r.label}-again", r.vectors) for r in once]
    first = Scorer("press", None, None, BEARABLE, once).bank.calibration
    twice = Scorer("press", None, None, BEARABLE, once + again).bank.calibration
    assert first is not None
    assert twice is not None
    assert twice.median == pytest.approx(first.median)


def test_a_machine_with_days_of_references_is_scored_as_any_other() -> None:
    many = Scorer("press", None, None, BEARABLE, references(30, windows=300))
    few = Scorer("press", None, None, BEARABLE, references(30, windows=200))
    assert many.uncalibrated is None
    assert many.threshold == pytest.approx(few.threshold, rel=0.1)


def test_the_larger_threshold_of_bundle_and_references_holds() -> None:
    narrow = Calibration.fit(np.random.default_rng(5).gamma(9, 1e-6, size=500))
    wide = Calibration.fit(np.random.default_rng(5).gamma(9, 0.05, size=500))
    own = Scorer("press", {"audiomae": known()}, None, BEARABLE, references(12)).threshold
    assert Scorer("press", {"audiomae": known()}, narrow, BEARABLE, references(12)).threshold == own
    assert Scorer("press", {"audiomae": known()}, wide, BEARABLE, references(12)).threshold > own


def test_a_machine_of_which_nothing_is_known_cannot_be_scored_and_the_error_says_what_to_do() -> None:
    scorer = Scorer("press", None, None, BEARABLE)
    assert not scorer.ready
    with pytest.raises(ScoringError, match="enrol recordings"):
        scorer.score(embedding(CENTRE))


@pytest.mark.parametrize(
    "wrong",
    [
        Reference("reference/9", {"beats": np.ones((1, SIZE), np.float32)}),
        Reference("reference/9", {"audiomae": np.ones((1, SIZE + 1), np.float32)}),
        Reference("reference/9", {"audiomae": np.ones((0, SIZE), np.float32)}),
        Reference("reference/9", {"audiomae": np.full((1, SIZE), np.nan, np.float32)}),
        Reference("reference/0", {"audiomae": np.ones((1, SIZE), np.float32)}),
        Reference("source/0", {"audiomae": np.ones((1, SIZE), np.float32)}),
    ],
)
def test_a_reference_that_does_not_fit_is_refused_and_the_old_ones_stay(wrong: Reference) -> None:
    scorer = Scorer("press", {"audiomae": known()}, calibration(), BEARABLE, references(2))
    before = scorer.bank
    with pytest.raises(ScoringError):
        scorer.replace_references([*references(2), wrong])
    assert scorer.bank is before


def test_an_embedding_with_nan_is_an_error_and_never_a_score() -> None:
    scorer = Scorer("press", {"audiomae": known()}, calibration(), BEARABLE)
    with pytest.raises(ScoringError, match="NaN"):
        scorer.score(embedding(np.full(SIZE, np.nan)))


def test_references_are_replaced_between_two_windows_and_never_within_one() -> None:
    scorer = Scorer("press", None, None, BEARABLE, references(1))
    # Either bank names its own labels, at its own distance; a mixture would pair one with the other.
    here, there = references(12, centre=CENTRE), references(1, centre=-CENTRE)
    asked = embedding(CENTRE)
    expected = set()
    for bank in (here, there):
        scorer.replace_references(bank)
        scored = scorer.score(asked)
        expected.add((scored.score, scored.threshold, len(scored.nearest)))
    assert len(expected) == 2
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            scorer.replace_references(here)
            scorer.replace_references(there)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = {(s.score, s.threshold, len(s.nearest)) for s in (scorer.score(asked) for _ in range(2000))}
    stop.set()
    swapper.join()
    assert seen <= expected


def bundle_with(calibration: Mapping[str, Any] | None, separated: bool = False) -> Bundle:
    return Bundle(
        path=Path("press-bundle"),
        sha256="0" * 64,
        name="press",
        created=datetime(2025, 1, 1, tzinfo=UTC),
        trainer_version="0.1.0",
        licence_notes=(),
        sample_rate=16_000,
        window_seconds=10.0,
        encoders={},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={"stamping": MachineType({"audiomae": known()}, calibration, separated)},
        files={},
    )


def test_a_bundle_gives_prototypes_and_threshold_of_the_machine_type() -> None:
    made = Scorer.from_bundle(bundle_with(calibration().to_dict()), "press", "stamping", BEARABLE)
    assert made.threshold == calibration().threshold(1, 1, 3, 5)
    assert len(made.bank.prototypes["audiomae"]) == 18
    assert made.uncalibrated is None


def test_a_bundle_that_does_not_know_the_machine_type_gives_a_scorer_that_waits_for_references() -> None:
    made = Scorer.from_bundle(bundle_with(None), "press", "lathe", BEARABLE)
    assert not made.ready
    made.replace_references(references(12))
    assert made.ready
    assert made.uncalibrated is None


def test_a_bundle_without_calibration_scores_and_says_so() -> None:
    made = Scorer.from_bundle(bundle_with(None), "press", "stamping", BEARABLE)
    assert made.ready
    assert made.uncalibrated is not None


def test_a_bundle_whose_calibration_is_odd_is_named_in_the_error() -> None:
    with pytest.raises(CalibrationError, match="press-bundle: machine type 'stamping': calibration: 'largest'"):
        Scorer.from_bundle(bundle_with({"median": 0.1}), "press", "stamping", BEARABLE)


def test_sound_that_varies_beyond_any_threshold_is_said() -> None:
    wild = Calibration.fit(np.random.default_rng(0).gamma(0.5, 1.0, size=20))
    made = Scorer("press", {"audiomae": known()}, wild, BEARABLE)
    assert made.threshold == UNREACHABLE
    assert made.uncalibrated is not None
    assert "varies so much" in made.uncalibrated


def test_prototypes_of_separated_sound_serve_only_separated_sound() -> None:
    bundle = bundle_with(calibration().to_dict(), separated=True)
    alike = Scorer.from_bundle(bundle, "press", "stamping", BEARABLE, separated=True)
    assert alike.ready
    assert alike.uncalibrated is None
    unlike = Scorer.from_bundle(bundle, "press", "stamping", BEARABLE)
    assert not unlike.ready
    assert unlike.uncalibrated is not None
    assert Scorer.from_bundle(bundle, "press", "stamping", BEARABLE, references(12)).ready
