"""Minutes of a whole factory in a simulated time: what the loop gives way to, and that it comes back.

The clock moves only as the simulated engine works or waits, so that every figure here is exact.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from structlog.testing import capture_logs

from asdstream.audio.window import Window
from asdstream.engine.batching import BatchPolicy
from asdstream.engine.embedding import Embedding
from asdstream.engine.loop import EngineLoop
from asdstream.engine.overload import Overload, Shedding

SILENCE = np.zeros(1, np.float32)


class Factory:
    """Channels that hear without pause, and an engine that takes `seconds_per_window(now)` for each window.

    Beside that it takes `seconds_per_batch`.
    """

    def __init__(
        self,
        hops: Mapping[str, float],
        seconds_per_window: Callable[[float], float],
        capacity: int = 64,
        seconds_per_batch: float = 0.0,
    ) -> None:
        self.now = 0.0
        self.batches: list[int] = []
        self.scored: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """By channel, index and age of each window when it was embedded."""
        self._hops = hops
        self._seconds_per_window = seconds_per_window
        self._seconds_per_batch = seconds_per_batch
        self._arrivals = [(hop * (1 + place / len(hops)), name, 0) for place, (name, hop) in enumerate(hops.items())]
        heapq.heapify(self._arrivals)
        self.loop = EngineLoop(
            self,  # type: ignore[arg-type]
            BatchPolicy((1, 2, 4, 8), 0.1 * min(hops.values()), capacity, min(hops.values())),
            clock=lambda: self.now,
            overload=Overload(hops),
        )
        self.most_waiting = 0

    def lanes(self, within_s: float) -> int:
        return 1

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str]) -> list[Embedding]:
        self.batches.append(len(windows))
        self._pass_to(self.now + self._seconds_per_batch + len(windows) * self._seconds_per_window(self.now))
        return [Embedding(window, {}) for window in windows]

    def run(self, until: float) -> None:
        while self.now < until:
            for made in self.loop.step(0.0):
                assert made.times is not None
                self.scored[made.window.channel].append((made.window.index, made.times.taken - made.window.captured))
            self._pass_to(self.now + 0.01)

    def _pass_to(self, then: float) -> None:
        while self._arrivals[0][0] <= then:
            at, name, index = heapq.heappop(self._arrivals)
            self.now = max(self.now, at)
            self.loop.offer(Window(name, index, SILENCE, at - 10.0, at, captured=at))
            heapq.heappush(self._arrivals, (at + self._hops[name], name, index + 1))
        self.now = then

    def shedding(self, channel: str) -> Shedding:
        found = self.loop.shedding(channel)
        assert found is not None
        return found

    @property
    def normal(self) -> bool:
        return all(self.shedding(name).hop_s == hop for name, hop in self._hops.items())

    def windows_of(self, channel: str, since: float = 0.0, until: float = float("inf")) -> list[int]:
        hop = self._hops[channel]
        return [index for index, _ in self.scored[channel] if since <= hop * (1 + index) < until]


SIXTEEN = {f"m{i:02d}": 1.0 for i in range(16)}


def test_at_85_percent_load_nothing_gives_way_and_no_window_waits_for_a_hop() -> None:
    factory = Factory(SIXTEEN, lambda _now: 0.85 / 16)
    factory.run(120.0)
    assert factory.loop.hop_changes == 0
    assert not factory.loop.dropped
    for channel in SIXTEEN:
        assert len(factory.scored[channel]) >= 117
        assert max(age for _, age in factory.scored[channel]) < 1.0


@pytest.mark.parametrize(("load", "longest_gap_s"), [(1.3, 2), (2.5, 4), (6.0, 8)])
def test_under_lasting_overload_every_channel_is_still_heard_and_nothing_is_dropped(
    load: float, longest_gap_s: int
) -> None:
    factory = Factory(SIXTEEN, lambda _now: load / 16)
    factory.run(300.0)
    assert not factory.loop.dropped, "widening is enough, so nothing is lost of what is wanted"
    for channel in SIXTEEN:
        indices = [index for index, _ in factory.scored[channel]]
        steps = np.diff(indices)
        assert indices == sorted(set(indices))
        assert int(steps.max()) <= longest_gap_s
        assert factory.shedding(channel).windows_shed >= 0
    computed = sum(len(scored) for scored in factory.scored.values())
    assert computed * load / 16 > 0.75 * 300, "and the engine is kept busy"


def test_beyond_what_widening_gives_the_freshest_windows_are_scored_of_every_channel_alike() -> None:
    factory = Factory(SIXTEEN, lambda _now: 30.0 / 16)
    factory.run(900.0)
    assert set(factory.loop.dropped) == set(SIXTEEN)
    counts = [len(factory.scored[channel]) for channel in SIXTEEN]
    assert min(counts) > 0.7 * max(counts)
    late = [age for channel in SIXTEEN for _, age in factory.scored[channel][5:]]
    assert max(late) < 2 * 8.0 + 8 * 30.0 / 16, "no staler than two of the widest hops and the batch before it"


def test_a_channel_with_a_short_hop_gives_way_and_the_others_keep_theirs() -> None:
    hops = {"a": 1.0, "b": 1.0, "c": 1.0, "eager": 0.1}
    factory = Factory(hops, lambda _now: 1.2 / 13)
    factory.run(200.0)
    assert factory.shedding("eager").windows_shed > 0
    for channel in "abc":
        assert factory.shedding(channel).hop_widened == 0
        assert len(factory.windows_of(channel)) >= 197


def test_when_the_load_goes_the_hops_come_back_and_every_window_is_scored_again() -> None:
    factory = Factory(SIXTEEN, lambda now: (4.0 if now < 60.0 else 0.5) / 16)
    with capture_logs() as logs:
        factory.run(59.0)
        assert not factory.normal
        factory.run(200.0)
    assert factory.normal
    given_way = {name: factory.shedding(name) for name in SIXTEEN}
    factory.run(260.0)
    assert {name: factory.shedding(name) for name in SIXTEEN} == given_way, "counts stand still once it is over"
    for channel in SIXTEEN:
        assert factory.windows_of(channel, 200.0, 255.0) == list(range(199, 254))
    told = Counter(entry["event"] for entry in logs)
    assert told["hop_widened"] == sum(shed.hop_widened for shed in given_way.values())
    assert told["hop_widened"] == told["hop_narrowed"], "one line a change"


def test_what_is_shed_and_scored_adds_up() -> None:
    factory = Factory(SIXTEEN, lambda now: (40.0 if now < 120.0 else 0.3) / 16, capacity=32)
    factory.run(400.0)
    assert factory.normal
    factory.run(400.95)
    for channel in SIXTEEN:
        found = factory.shedding(channel)
        last = factory.scored[channel][-1][0]
        assert len(factory.scored[channel]) + found.windows_shed + found.windows_dropped == last + 1
        assert found.windows_dropped == factory.loop.dropped[channel]


def test_one_long_stall_costs_little_and_is_made_up_for() -> None:
    factory = Factory(SIXTEEN, lambda now: 0.3 / 16 + (0.5 if 30.0 < now < 30.5 else 0.0))
    factory.run(100.0)
    assert factory.normal
    assert not factory.loop.dropped
    assert sum(factory.shedding(name).windows_shed for name in SIXTEEN) < 0.05 * 16 * 100


@pytest.mark.parametrize(("seconds_per_batch", "most"), [(0.0, 1), (5.0, 8)])
def test_batches_are_of_the_sizes_that_were_made_ready_and_as_large_as_helps(
    seconds_per_batch: float, most: int
) -> None:
    factory = Factory(SIXTEEN, lambda _now: 10.0 / 16, seconds_per_batch=seconds_per_batch)
    factory.run(200.0)
    assert set(factory.batches) <= {1, 2, 4, 8}
    assert Counter(factory.batches[10:]).most_common(1)[0][0] == most


def test_at_70_percent_load_no_window_waits_for_a_quarter_of_the_hop_where_they_end_spread_over_it() -> None:
    factory = Factory({f"m{i}": 1.0 for i in range(4)}, lambda _now: 0.7 / 4)
    factory.run(100.0)
    assert max(age for scored in factory.scored.values() for _, age in scored[1:]) < 0.25
