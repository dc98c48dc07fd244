"""What a measurement took from the mains, by counters of the hardware."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asdstream.errors import AsdstreamError


class EnergyNotToldError(AsdstreamError):
    """The device does not tell what it draws, or not to this user; the sentence says why."""


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """Counts the microjoules that a part of the machine has drawn; `source` names the part and who tells.

    After `range_uj` it begins at 0 again; None for one that does not. `read` raises EnergyNotToldError where it cannot
    be read.
    """

    source: str
    read: Callable[[], int]
    range_uj: int | None = None


def drawn_uj(before: int, after: int, range_uj: int | None) -> int:
    """Microjoules between two readings, at most one `range_uj` apart: ValueError for a counter that ran backwards.

    Example:
        >>> drawn_uj(950, 20, range_uj=1000)
        70
    """
    if after >= before:
        return after - before
    if range_uj is None or before > range_uj:
        raise ValueError(f"an energy counter went from {before} back to {after} uJ, which its range does not explain")
    return after + range_uj - before


class EnergyMeter:
    """What all of `counters` together have counted since `start`."""

    def __init__(self, counters: Sequence[EnergyCounter]) -> None:
        self._counters = tuple(counters)
        self._latest: list[int] = []
        self._drawn_uj = 0

    @property
    def source(self) -> str:
        """What is counted, and who tells."""
        return ", ".join(counter.source for counter in self._counters)

    def start(self) -> None:
        """Count from here. Raises EnergyNotToldError."""
        self._latest = [counter.read() for counter in self._counters]
        self._drawn_uj = 0

    def joules(self) -> float:
        """Drawn since `start`. To be read every minute, before a counter has gone round. Raises EnergyNotToldError."""
        readings = [counter.read() for counter in self._counters]
        for counter, before, after in zip(self._counters, self._latest, readings, strict=True):
            self._drawn_uj += drawn_uj(before, after, counter.range_uj)
        self._latest = readings
        return self._drawn_uj / 1e6
