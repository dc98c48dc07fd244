"""Threads that live and die together."""

import threading
import time

import pytest
from processes import wait_until

from asdstream.worker import Crew


def test_a_stage_is_called_again_and_again_until_dismissed() -> None:
    calls = threading.Semaphore(0)

    def step() -> None:
        calls.release()
        time.sleep(0.001)

    crew = Crew()
    crew.hire("counter", step)
    assert all(calls.acquire(timeout=60) for _ in range(3))
    assert crew.dismiss(timeout_s=60) == []
    assert crew.failure is None


class Panic(BaseException):
    """As the libraries written in Rust raise, of which `except Exception` knows nothing."""


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_a_failing_stage_stops_all_others_and_leaves_its_reason(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("the ring is empty")

    crew = Crew()
    crew.hire("bystander", lambda: time.sleep(0.001))
    crew.hire("engine", fail)
    assert crew.stop.wait(60)
    assert crew.dismiss(timeout_s=60) == []
    assert crew.failure == f"the engine worker failed: {kind.__name__}: the ring is empty"


def test_a_stage_that_hangs_is_named_instead_of_waited_for() -> None:
    hang = threading.Event()
    crew = Crew()
    crew.hire("stuck", lambda: hang.wait() and None)
    assert crew.dismiss(timeout_s=0.05) == ["stuck"]
    hang.set()


def test_who_does_not_come_round_is_named() -> None:
    rounds = threading.Semaphore(0)
    hang = threading.Event()
    crew = Crew()
    crew.hire("goes on", lambda: rounds.release() or time.sleep(0.001))
    crew.hire("stuck", lambda: hang.wait() and None)
    assert rounds.acquire(timeout=60)
    # On a busy machine the other may not come round for a moment either.
    assert wait_until(lambda: crew.still(longer_than_s=0.2) == ["stuck"])
    assert crew.still(longer_than_s=60.0) == []
    hang.set()
    crew.dismiss(timeout_s=60)
