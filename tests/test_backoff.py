"""How long to wait before the next attempt."""

from asdstream.backoff import backoff_s


def test_the_delay_doubles_up_to_its_limit() -> None:
    delays = [backoff_s(attempt, first_s=0.5, longest_s=3.0, chance=1.0) for attempt in range(5)]
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff_s(10**9, first_s=0.5, longest_s=3.0, chance=1.0) == 3.0


def test_half_of_the_delay_is_drawn() -> None:
    assert backoff_s(0, first_s=1.0, longest_s=9.0, chance=0.0) == 0.5
