"""A machine heard two ways has one score, in which both count the same."""

import itertools
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import Branch, BranchPrototypes, Bundle, MachineType
from asdstream.engine.embedding import Embedding
from asdstream.engine.separate_as import SEPARATED
from asdstream.scoring.both_ways_scorer import BothWaysScorer
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.errors import ScoringError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import UNREACHABLE, Scorer

SIZE = 32
BEARABLE = FalseAlarmRate(per_day=1, hop_s=1, k=3, n=5)
CENTRE = np.random.default_rng(0).normal(size=SIZE)
WAYS = ("audiomae", f"audiomae{SEPARATED}")


def around(count: int, spread: float, seed: int) -> np.ndarray:
    return (CENTRE + spread * np.random.default_rng(seed).normal(size=(count, SIZE))).astype(np.float32)


def calibration(scale: float = 0.001) -> Calibration:
    return Calibration.fit(np.random.default_rng(5).gamma(9, scale, size=500))


def bundle_with(separated: bool) -> Bundle:
    known = {"audiomae": BranchPrototypes(around(16, 0.1, 0), around(2, 0.1, 1))}
    return Bundle(
        path=Path("press-bundle"),
        sha256="0" * 64,
        name="press",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        trainer_version="0.1.0",
        licence_notes=(),
        sample_rate=16_000,
        window_seconds=10.0,
        encoders={},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={"stamping": MachineType(known, calibration().to_dict(), separated)},
        files={},
    )


def references(count: int, spread: float = 0.3) -> list[Reference]:
    """Separated sound varies less than sound as it is."""
    return [
        Reference(f"reference/{i}", {WAYS[0]: around(2, spread, 100 + i), WAYS[1]: around(2, 0.5 * spread, 200 + i)})
        for i in range(count)
    ]


def embedding(as_it_is: np.ndarray, separated: np.ndarray) -> Embedding:
    window = Window("north", 7, np.zeros(WINDOW_SAMPLES, np.float32), 100.0, 110.0, 5.0)
    return Embedding(window, {WAYS[0]: as_it_is, WAYS[1]: separated})


def alone(way: str, enrolled: list[Reference], *, separated: bool, known: bool = True) -> Scorer:
    """What scores one way by itself, for half of the bearable false alarms."""
    half = FalseAlarmRate(BEARABLE.per_day / 2, BEARABLE.hop_s, BEARABLE.k, BEARABLE.n)
    same = [Reference(one.label, {"audiomae": one.vectors[way]}) for one in enrolled]
    machine_type = "stamping" if known else "unknown"
    return Scorer.from_bundle(bundle_with(separated), "press", machine_type, half, same, separated=way != WAYS[0])


def both(*, separated: bool = False, enrolled: int = 0, machine_type: str = "stamping") -> BothWaysScorer:
    return BothWaysScorer.from_bundle(bundle_with(separated), "press", machine_type, BEARABLE, references(enrolled))


@pytest.mark.parametrize("separated", [False, True])
def test_the_calibrated_score_is_the_mean_of_both_ways_own(separated: bool) -> None:
    enrolled = references(12)
    made = both(separated=separated, enrolled=12)
    assert made.ways == ("", SEPARATED)
    scorers = [alone(way, enrolled, separated=separated) for way in WAYS]
    for spread in (0.0, 0.2, 0.6):
        vectors = [around(1, spread, 300)[0], around(1, 0.5 * spread, 301)[0]]
        scored = made.score(embedding(*vectors))
        own = [
            scorer.score(Embedding(embedding(*vectors).window, {"audiomae": vector}))
            for scorer, vector in zip(scorers, vectors, strict=True)
        ]
        assert scored.calibrated == pytest.approx(np.mean([one.calibrated for one in own]), abs=1e-6)
        assert min(one.score for one in own) <= scored.score <= max(one.score for one in own)
        assert min(one.threshold for one in own) <= scored.threshold <= max(one.threshold for one in own)
        assert scored.anomalous == (scored.calibrated > 1)
        assert scored.threshold == made.threshold
        assert {near.branch for near in scored.nearest} == set(WAYS)
    assert (scored.channel, scored.machine, scored.index) == ("north", "press", 7)


def test_no_window_is_anomalous_that_is_so_in_neither_way() -> None:
    """So that the false alarms of both together are no more than were asked for."""
    made = both(enrolled=12)
    scorers = [alone(way, references(12), separated=False) for way in WAYS]
    vectors = [around(500, 0.45, 400), around(500, 0.3, 401)]
    over = made.score_vectors(dict(zip(WAYS, vectors, strict=True))) > made.threshold
    own = [
        scorer.score_vectors({"audiomae": rows}) > scorer.threshold
        for scorer, rows in zip(scorers, vectors, strict=True)
    ]
    assert 0 < over.sum() < 500
    assert not (over & ~own[0] & ~own[1]).any()


def test_each_way_is_compared_with_what_was_heard_alike() -> None:
    made = both(separated=True, enrolled=12)
    enrolled = references(12)[4].vectors
    assert made.score(embedding(enrolled[WAYS[0]][0], enrolled[WAYS[1]][1])).score == pytest.approx(0, abs=1e-6)
    assert made.score(embedding(enrolled[WAYS[1]][1], enrolled[WAYS[0]][0])).score > 0.001


def test_a_recording_scores_as_its_windows_do() -> None:
    made = both(enrolled=12)
    vectors = dict(zip(WAYS, (around(5, 0.3, 500), around(5, 0.2, 501)), strict=True))
    windows = [made.score(embedding(vectors[WAYS[0]][i], vectors[WAYS[1]][i])).score for i in range(5)]
    np.testing.assert_allclose(made.score_vectors(vectors), windows, atol=1e-6)


@pytest.mark.parametrize(("separated", "counts"), [(False, ""), (True, SEPARATED)])
def test_without_references_the_way_of_the_prototypes_counts_alone(separated: bool, counts: str) -> None:
    made = both(separated=separated)
    assert made.ready
    assert made.uncalibrated is None
    assert made.ways == (counts,)
    way = f"audiomae{counts}"
    scorer = alone(way, [], separated=separated)
    vectors = {WAYS[0]: around(3, 0.3, 600), WAYS[1]: around(3, 0.2, 601)}
    np.testing.assert_allclose(made.score_vectors(vectors), scorer.score_vectors({"audiomae": vectors[way]}))
    assert made.threshold == scorer.threshold


def test_enrolment_brings_the_other_way_in_from_the_next_window_on() -> None:
    made = both()
    made.replace_references(references(2))
    assert made.ways == ("",), "too few for a threshold, so that nothing tells how far its distances reach"
    made.replace_references(references(12))
    assert made.ways == ("", SEPARATED)
    with pytest.raises(ScoringError, match="two references of one label"):
        made.replace_references(2 * references(1))
    assert made.ways == ("", SEPARATED), "the old ones stay"


def test_a_type_that_the_bundle_does_not_know_waits_for_references() -> None:
    made = both(machine_type="lathe")
    assert not made.ready
    assert made.threshold == UNREACHABLE
    assert made.uncalibrated is not None
    with pytest.raises(ScoringError, match="has no prototypes"):
        made.score(embedding(around(1, 0.1, 0)[0], around(1, 0.1, 0)[0]))
    made.replace_references(references(2))
    assert made.ready
    assert made.uncalibrated is not None
    vectors = {WAYS[0]: around(3, 0.3, 700), WAYS[1]: around(3, 0.2, 701)}
    own = [alone(way, references(2), separated=False, known=False) for way in WAYS]
    plain = np.mean([one.score_vectors({"audiomae": vectors[way]}) for one, way in zip(own, WAYS, strict=True)], axis=0)
    np.testing.assert_allclose(made.score_vectors(vectors), plain)
    scored = made.score(embedding(vectors[WAYS[0]][0], vectors[WAYS[1]][0]))
    assert scored.calibrated == pytest.approx(plain[0] / UNREACHABLE)
    assert not scored.anomalous


def test_a_window_that_was_not_separated_is_refused() -> None:
    made = both(enrolled=12)
    window = embedding(around(1, 0.1, 0)[0], around(1, 0.1, 0)[0]).window
    with pytest.raises(ScoringError, match="lacks branch 'audiomae'"):
        made.score(Embedding(window, {"audiomae": around(1, 0.1, 0)[0]}))
    assert not alone(WAYS[1], [], separated=False).ready


def test_a_window_is_never_scored_against_half_of_the_new_references() -> None:
    scorer = BothWaysScorer.from_bundle(bundle_with(separated=False), "press", "stamping", BEARABLE)
    few, many = references(1), references(12)
    asked = embedding(around(1, 0.3, 900)[0], around(1, 0.15, 901)[0])
    expected = set()
    for enrolled in (few, many):
        scorer.replace_references(enrolled)
        scored = scorer.score(asked)
        expected.add((scored.score, scored.threshold, tuple(near.label for near in scored.nearest)))
    assert len(expected) == 2
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            scorer.replace_references(few)
            scorer.replace_references(many)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    deadline = time.monotonic() + 10
    for i in itertools.count():
        scored = scorer.score(asked)
        seen.add((scored.score, scored.threshold, tuple(near.label for near in scored.nearest)))
        if time.monotonic() > deadline or (i > 500 and len(seen) > 1):
            break
    stop.set()
    swapper.join()
    assert seen == expected
