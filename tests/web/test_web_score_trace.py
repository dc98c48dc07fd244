import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdstream.web.score_trace import BIN_S, BINS, SPAN_S, ScoreTrace

NOW = 1_750_000_000.0


def test_the_highest_score_of_a_bin_is_kept() -> None:
    trace = ScoreTrace()
    for second, score in enumerate((0.1, 0.4, 0.2)):
        trace.add(score, NOW + second)
    ((at, score),) = trace.points(NOW + 3)
    assert score == pytest.approx(0.4)
    assert abs(at / 1000 - NOW) <= BIN_S


def test_an_hour_is_shown_and_no_more_than_720_points() -> None:
    trace = ScoreTrace()
    for second in range(int(2 * SPAN_S)):
        trace.add(second / SPAN_S, NOW + second)
    points = trace.points(NOW + 2 * SPAN_S)
    assert BINS - 1 <= len(points) <= BINS
    assert min(score for _, score in points) >= 1.0 - BIN_S / SPAN_S
    assert [at for at, _ in points] == sorted({at for at, _ in points})


def test_a_channel_that_fell_silent_shows_only_what_lies_within_the_hour() -> None:
    trace = ScoreTrace()
    trace.add(0.3, NOW)
    trace.add(0.4, NOW + 1800)
    assert len(trace.points(NOW + 3000)) == 2
    assert len(trace.points(NOW + 4000)) == 1
    assert trace.points(NOW + 9000) == []
    assert ScoreTrace().points(NOW) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 4 * SPAN_S), st.floats(0, 2, width=32)), max_size=30))
def test_whatever_the_order_a_point_is_the_highest_of_what_came_in_its_bin(heard: list[tuple[float, float]]) -> None:
    trace = ScoreTrace()
    latest = -math.inf
    kept: dict[int, float] = {}
    for after, score in heard:
        number = math.floor((NOW + after) / BIN_S)
        latest = max(latest, number)
        trace.add(score, NOW + after)
        if number > latest - BINS:
            kept[number] = max(kept.get(number, -math.inf), score)
        kept = {other: value for other, value in kept.items() if other > latest - BINS}
    end = (latest + 0.5) * BIN_S if heard else NOW
    shown = {math.floor(at / 1000 / BIN_S): score for at, score in trace.points(end)}
    assert shown == pytest.approx(kept, abs=1e-5)
