"""The search for the largest number of channels."""

import pytest

from asdstream.bench.largest_held import FINE, largest_held


class Box:
    """Holds up to `capacity` channels, and remembers what was tried."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tried: list[int] = []

    def __call__(self, channels: int) -> bool:
        self.tried.append(channels)
        return channels <= self.capacity


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 7, 16, 49, 50])
@pytest.mark.parametrize("estimate", [0, 1, 5, 16, 50])
def test_a_small_number_is_found_exactly_whatever_the_estimate(capacity: int, estimate: int) -> None:
    box = Box(capacity)
    assert largest_held(estimate, box) == capacity
    assert len(box.tried) == len(set(box.tried)), "every try is expensive"


@pytest.mark.parametrize("capacity", [90, 1000, 1150, 5000])
def test_a_large_number_is_found_to_within_two_percent(capacity: int) -> None:
    box = Box(capacity)
    found = largest_held(1000, box)
    assert capacity * (1 - FINE) <= found <= capacity
    assert found in box.tried, "what is reported was proved"


def test_a_good_estimate_needs_few_tries() -> None:
    box = Box(100)
    assert 98 <= largest_held(103, box) <= 100
    assert len(box.tried) <= 5
