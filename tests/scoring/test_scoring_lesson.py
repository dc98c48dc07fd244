"""What is learnt from a long listening: what does not fit stays out, and what judges took no part in the choice."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.scoring.fitting_windows import fitting_windows
from asdstream.scoring.heard_windows import HeardWindows
from asdstream.scoring.lesson import learn
from asdstream.scoring.representatives import representatives

SIZE = 24


def sounds_like(state: int, count: int, rng: np.random.Generator, spread: float = 0.15) -> NDArray[np.float32]:
    """Unit vectors (count, 24) around one of 24 directions."""
    rows = spread * rng.normal(size=(count, SIZE)) / math.sqrt(SIZE)
    rows[:, state] += 1.0
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def listening(parts: list[tuple[int, int]], seed: int, hop_s: float = 1.0, stretches: int = 1) -> HeardWindows:
    """Windows in `parts` of (state, count), one after the other, in so many stretches of about the same length."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([sounds_like(state, count, rng) for state, count in parts])
    stretch = np.arange(len(rows)) * stretches // len(rows)
    place = np.concatenate([np.arange(count) for count in np.bincount(stretch)])
    at = 1000.0 * stretch + hop_s * place
    return HeardWindows(stretch, place, at, np.full(len(rows), hop_s), {"a": rows, "b": rows[:, ::-1].copy()})


@pytest.mark.parametrize("seed", range(5))
def test_a_short_strange_sound_does_not_fit_and_hardly_anything_else_is_left_out(seed: int) -> None:
    fits = fitting_windows(listening([(0, 500), (1, 12), (0, 500)], seed))
    assert not fits[500:512].any()
    assert np.count_nonzero(~fits) <= 12 + 5


@pytest.mark.parametrize("seed", range(5))
def test_a_machine_with_several_usual_states_is_heard_in_all_of_them(seed: int) -> None:
    heard = listening([(0, 400), (1, 80), (0, 300), (2, 200), (1, 20)], seed)
    assert np.count_nonzero(~fitting_windows(heard)) <= 5
    lesson = learn(heard, 12, 8)
    states = heard.vectors["a"][lesson.references].argmax(axis=1)
    assert set(states.tolist()) == {0, 1, 2}


def test_sound_that_never_varies_fits_and_so_does_sound_too_short_to_tell() -> None:
    same = listening([(0, 200)], 0)
    rows = np.repeat(same.vectors["a"][:1], 200, axis=0)
    assert fitting_windows(HeardWindows(same.stretch, same.place, same.at, same.hop_s, {"a": rows})).all()
    assert fitting_windows(listening([(0, 20), (1, 20)], 0)).all()


@pytest.mark.parametrize("hop_s", [0.5, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_heard_the_references_are_few_apart_and_share_no_sound_with_what_is_held_out(
    hop_s: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    parts = [(int(rng.integers(4)), int(rng.integers(1, 120))) for _ in range(8)]
    heard = listening(parts, seed, hop_s, stretches=int(rng.integers(1, 6)))
    count, n = int(rng.integers(3, 20)), int(rng.integers(1, 10))
    lesson = learn(heard, count, n)
    fits = fitting_windows(heard)
    held_out = np.concatenate([np.arange(first, end) for first, end in lesson.held_out] or [np.zeros(0, int)])
    assert 0 < len(lesson.references) <= count
    assert not heard.share_sound(lesson.references, held_out).any()
    among = heard.share_sound(lesson.references, lesson.references)
    assert np.count_nonzero(among) == len(lesson.references), "each with itself alone"
    assert fits[lesson.references].all()
    assert fits[held_out].all()
    assert len(set(held_out.tolist())) == len(held_out)
    for first, end in lesson.held_out:
        assert end - first >= n
        assert len(set(heard.stretch[first:end].tolist())) == 1
        assert set(np.diff(heard.place[first:end]).tolist()) <= {1}
        assert (end - first - 1) * hop_s + 10 <= 600
    assert sum(one.windows for one in lesson.excluded) == np.count_nonzero(~fits)


def test_what_was_left_out_is_told_with_its_time() -> None:
    lesson = learn(listening([(0, 500), (1, 12), (0, 500)], 3), 8, 5)
    longest = max(lesson.excluded, key=lambda one: one.windows)
    assert (longest.started_at, longest.ended_at, longest.windows) == (500.0, 521.0, 12)


def test_the_references_come_from_all_of_the_time_and_most_of_it_is_held_out() -> None:
    lesson = learn(listening([(0, 1200)], 1), 16, 5)
    assert lesson.references.min() < 250
    assert lesson.references.max() > 950
    assert sum(end - first for first, end in lesson.held_out) > 600


def test_representatives_are_rows_and_every_group_has_one_and_no_chance_enters() -> None:
    rng = np.random.default_rng(5)
    rows = np.concatenate([sounds_like(state, count, rng) for state, count in ((0, 300), (1, 40), (2, 5))])
    chosen = representatives({"a": rows}, 3)
    assert rows[chosen].argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(chosen, representatives({"a": rows}, 3))
    assert representatives({"a": rows[:2]}, 3).tolist() == [0, 1]
    same = np.repeat(rows[:1], 9, axis=0)
    assert 1 <= len(representatives({"a": same}, 3)) <= 3
