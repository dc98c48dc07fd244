"""What a paced run says of itself."""

import math
from dataclasses import replace

import pytest

from asdstream.bench.paced_run import PacedRun

CALM = PacedRun(10, 1.0, 10.0, 100, 100, 0, 0, tuple([0.1] * 100), 1)


def test_percentiles_are_latencies_that_occurred() -> None:
    run = replace(CALM, latencies_s=tuple(float(i) for i in range(100, 0, -1)))
    assert run.p50 == 50.0
    assert run.p99 == 99.0


def test_where_nothing_was_published_latency_is_infinite() -> None:
    run = replace(CALM, scored=0, latencies_s=())
    assert run.p50 == run.p99 == math.inf
    assert not run.held


def test_a_run_in_which_every_window_is_published_in_time_is_held() -> None:
    assert CALM.held


def test_with_a_single_window_lost_nothing_is_held() -> None:
    assert not replace(CALM, scored=99, shed=1).held
    assert replace(CALM, scored=99, shed=1).lost == 1


def test_a_queue_that_grows_is_not_held_although_nothing_is_shed_yet() -> None:
    rising = replace(CALM, latencies_s=tuple(0.1 + 0.03 * i / 10 for i in range(100)))
    assert rising.growth == pytest.approx(0.03)
    assert not rising.held


def test_latency_that_wavers_without_growing_is_held() -> None:
    assert replace(CALM, latencies_s=tuple(0.1 + 0.4 * (i % 10) / 10 for i in range(100))).held
