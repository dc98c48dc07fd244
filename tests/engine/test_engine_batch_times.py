"""How long batches take is learnt from those that were computed."""

import pytest

from asdstream.engine.batch_times import RECENT, REMEMBERED, BatchTimes


def test_before_the_first_batch_nothing_is_known() -> None:
    times = BatchTimes()
    assert times.of(4) == 0.0
    assert not times.knows(4)


def test_a_batch_takes_what_most_of_the_latest_took() -> None:
    times = BatchTimes()
    for seconds in (9.0, 9.0, 0.2, 0.3, 5.0, 0.2, 0.2):
        times.computed(2, seconds)
    assert times.of(2) == 0.2, "neither the first ones nor one that met a stall"


def test_a_size_that_was_never_computed_takes_no_longer_than_the_others_say() -> None:
    times = BatchTimes()
    times.computed(2, 0.2)
    assert times.of(8) == pytest.approx(0.8), "four of two"
    assert times.of(1) == 0.2, "one of two with a place left empty"
    assert not times.knows(8)


def test_a_size_is_not_held_to_what_it_took_when_all_was_slow() -> None:
    times = BatchTimes()
    times.computed(8, 8.0)
    for _ in range(RECENT):
        times.computed(1, 0.05)
    assert times.of(8) == pytest.approx(0.4)


def test_what_has_not_been_computed_for_long_is_forgotten() -> None:
    times = BatchTimes()
    times.computed(8, 0.1)
    for _ in range(REMEMBERED):
        times.computed(1, 0.3)
    assert not times.knows(8)
    assert times.of(1) == 0.3
