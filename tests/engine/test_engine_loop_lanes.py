"""An engine whose cores take windows on their own: in a simulated time, in which each window takes a known while.

Nothing waits for anything but a core: what is embedded, when, and in which order is exact.
"""

import gc
import heapq
import itertools
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import numpy as np
import pytest

from asdstream.audio.window import Window
from asdstream.engine.batching import BatchPolicy, BatchQueue
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import EmbeddingError, EngineError
from asdstream.engine.loop import ALONE_OF_HOP, LONGEST_S, EngineLoop
from asdstream.engine.overload import Overload, Shedding

SILENCE = np.zeros(1, np.float32)
NOISE = np.full(1, np.nan, np.float32)


class Workshop:
    """Two cores that take `seconds_of(batch)` for a batch each, and the clock by which they do."""

    def __init__(
        self, seconds_of: Callable[[int], float], cores: int = 2, fails: type[Exception] | None = None
    ) -> None:
        self.now = 0.0
        self.begun: list[tuple[float, list[tuple[str, int]]]] = []
        self.together = 0
        self.asked: set[float] = set()
        self._seconds_of = seconds_of
        self._cores = cores
        self._fails = fails
        self._numbers = itertools.count()
        self._ends: list[tuple[float, int, Future[list[Embedding]], list[Window]]] = []

    def lanes(self, within_s: float) -> int:
        self.asked.add(within_s)
        return self._cores if self._seconds_of(1) <= within_s else 1

    def begin(self, windows: Sequence[Window], separate_as: Mapping[str, str]) -> Future[list[Embedding]]:
        made: Future[list[Embedding]] = Future()
        under_way = [window.channel for _, _, _, batch in self._ends for window in batch]
        assert len(self._ends) < self._cores, "no more batches than cores"
        assert not {window.channel for window in windows} & set(under_way), "a channel is on one core at a time"
        self.begun.append((self.now, [(window.channel, window.index) for window in windows]))
        ends_at = self.now + self._seconds_of(len(windows))
        heapq.heappush(self._ends, (ends_at, next(self._numbers), made, list(windows)))
        return made

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str]) -> list[Embedding]:
        self.together += 1
        self.now += self._seconds_of(len(windows))
        return self._embed(windows)

    def pass_to(self, then: float) -> None:
        """The cores work until then."""
        while self._ends and self._ends[0][0] <= then:
            ends_at, _, made, windows = heapq.heappop(self._ends)
            self.now = max(self.now, ends_at)
            try:
                made.set_result(self._embed(windows))
            except (EngineError, EmbeddingError) as error:
                made.set_exception(error)
        self.now = max(self.now, then)

    @property
    def next_end(self) -> float:
        return self._ends[0][0] if self._ends else float("inf")

    def _embed(self, windows: Sequence[Window]) -> list[Embedding]:
        if self._fails is not None:
            raise self._fails("no memory")
        spoilt = tuple(i for i, window in enumerate(windows) if np.isnan(window.samples).any())
        if spoilt:
            raise EmbeddingError("holds NaN", spoilt)
        return [Embedding(window, {}) for window in windows]


def loop_of(workshop: Workshop, channels: Sequence[str] = ("a", "b", "c", "d"), hop_s: float = 1.0) -> EngineLoop:
    return EngineLoop(
        workshop,  # type: ignore[arg-type]
        BatchPolicy((1, 2, 4), deadline_s=0.1, hop_s=hop_s),
        clock=lambda: workshop.now,
        overload=Overload(dict.fromkeys(channels, hop_s)),
    )


def window(channel: str, index: int = 0, samples: np.ndarray = SILENCE) -> Window:
    return Window(channel, index, samples, 0.0, 10.0, 0.0)


def heard(embeddings: Sequence[Embedding]) -> list[tuple[str, int]]:
    return [(embedding.window.channel, embedding.window.index) for embedding in embeddings]


def test_a_window_waits_for_no_company_and_none_waits_for_another_to_be_done() -> None:
    workshop = Workshop(lambda _n: 0.25)
    loop = loop_of(workshop)
    loop.offer(window("a"))
    assert loop.step(0.0) == []
    workshop.pass_to(0.1)
    loop.offer(window("b"))
    assert loop.step(0.0) == []
    assert workshop.begun == [(0.0, [("a", 0)]), (0.1, [("b", 0)])]
    workshop.pass_to(0.25)
    loop.offer(window("c"))
    assert heard(loop.step(0.0)) == [("a", 0)]
    assert workshop.begun[2:] == [(0.25, [("c", 0)])], "the core that is free takes the next one at once"
    workshop.pass_to(0.5)
    made = loop.step(0.0)
    assert heard(made) == [("b", 0), ("c", 0)]
    assert [m.times and m.times.computed for m in made] == [0.35, 0.5]
    assert workshop.together == 0
    assert loop.idle


def test_windows_of_a_channel_are_never_on_two_cores_and_keep_their_order() -> None:
    workshop = Workshop(lambda _n: 0.25)
    loop = loop_of(workshop)
    for index in range(3):
        loop.offer(window("a", index))
    out = []
    for tick in range(1, 5):
        out += heard(loop.step(0.0))
        workshop.pass_to(0.25 * tick)
    assert out == [("a", 0), ("a", 1), ("a", 2)]
    assert [at for at, _ in workshop.begun] == [0.0, 0.25, 0.5]


def test_it_is_idle_only_once_what_was_embedded_has_been_taken() -> None:
    workshop = Workshop(lambda _n: 0.25)
    loop = loop_of(workshop)
    loop.offer(window("a"))
    loop.step(0.0)
    assert not loop.idle
    assert loop.waiting == 0
    workshop.pass_to(0.25)
    assert not loop.idle
    assert len(loop.step(0.0)) == 1
    assert loop.idle


def test_a_window_that_was_embedded_leaves_memory_at_once() -> None:
    workshop = Workshop(lambda _n: 0.25)
    loop = loop_of(workshop)
    samples = np.zeros(1, np.float32)
    held = weakref.ref(samples)
    gc.disable()
    try:
        loop.offer(window("a", 0, samples))
        del samples
        loop.step(0.0)
        workshop.pass_to(0.25)
        assert len(loop.step(0.0)) == 1
        assert held() is None
    finally:
        gc.enable()


def test_a_window_that_cannot_be_embedded_is_left_out_and_counted_and_its_batch_is_embedded() -> None:
    workshop = Workshop(lambda _n: 0.01)
    loop = loop_of(workshop)
    for index in range(2):
        for channel in "ab":
            loop.offer(window(channel, index, NOISE if (channel, index) == ("a", 0) else SILENCE))
    out = []
    for tick in range(1, 5):
        out += heard(loop.step(0.0))
        workshop.pass_to(0.1 * tick)
    assert sorted(out) == [("a", 1), ("b", 0), ("b", 1)]
    assert loop.dropped == {"a": 1}
    assert loop.idle


def test_a_failure_on_a_core_is_raised_by_the_step() -> None:
    workshop = Workshop(lambda _n: 0.25, fails=EngineError)
    loop = loop_of(workshop)
    loop.offer(window("a"))
    loop.step(0.0)
    workshop.pass_to(0.25)
    with pytest.raises(EngineError, match="no memory"):
        loop.step(0.0)


def test_a_core_that_stands_still_lets_the_step_stand_still_for_whoever_watches() -> None:
    workshop = Workshop(lambda _n: 0.25)
    loop = loop_of(workshop)
    loop.offer(window("a"))
    loop.step(0.0)
    workshop.now = LONGEST_S + 1.0
    loop.offer(window("b"))
    out: list[Embedding] = []
    thread = threading.Thread(target=lambda: out.extend(loop.step(0.0)), daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    workshop.pass_to(workshop.now)
    thread.join(5.0)
    assert heard(out) == [("a", 0)]


def test_cores_work_together_where_one_alone_would_be_too_slow_for_the_hop() -> None:
    workshop = Workshop(lambda _n: 0.55)
    loop = loop_of(workshop)
    loop.offer(window("a"))
    loop.step(0.0)
    workshop.now = 0.1
    assert heard(loop.step(0.0)) == [("a", 0)]
    assert (workshop.together, workshop.asked) == (1, {ALONE_OF_HOP})


def test_cores_work_together_for_a_lone_channel_and_for_sources_that_wait() -> None:
    for channels, unpaced in ((["a"], frozenset()), (["a", "b"], frozenset("b"))):
        workshop = Workshop(lambda _n: 0.1)
        loop = EngineLoop(
            workshop,  # type: ignore[arg-type]
            BatchPolicy((1, 2), deadline_s=0.0, hop_s=1.0),
            clock=lambda workshop=workshop: workshop.now,
            overload=Overload({name: 1.0 for name in channels if name not in unpaced}),
            unpaced=unpaced,
        )
        loop.offer(window("a"))
        assert heard(loop.step(0.0)) == [("a", 0)]
        assert workshop.together == 1


def test_a_lane_takes_its_share_of_what_waits_and_no_channel_that_is_busy() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4, 8), hop_s=1.0))
    for index in range(3):
        for channel in "abc":
            queue.put(window(channel, index), now=0.0)
    first = queue.take_for_lane(0.0, lanes=2, busy=())
    assert [item.window.channel for item in first] == ["a", "b", "c", "a"]
    assert queue.take_for_lane(0.0, lanes=2, busy=("a", "b", "c")) == []
    second = queue.take_for_lane(0.0, lanes=2, busy=("a", "b"))
    assert [(item.window.channel, item.window.index) for item in second] == [("c", 1)]
    assert len(queue) == 4


class Factory:
    """Channels of one hop that hear without pause, spread over it, and a workshop."""

    def __init__(self, channels: int, workshop: Workshop, hop_s: float = 1.0) -> None:
        self.latencies: list[float] = []
        self.scored: dict[str, list[int]] = defaultdict(list)
        self.loop = loop_of(workshop, [f"m{i:02d}" for i in range(channels)], hop_s)
        self._workshop = workshop
        self._hop_s = hop_s
        late = np.random.default_rng(0).uniform(0.0, 0.1, channels)
        self._arrivals = [(hop_s * (1 + i / channels) + late[i], f"m{i:02d}", 0) for i in range(channels)]
        heapq.heapify(self._arrivals)

    def run(self, until: float) -> None:
        while self._workshop.now < until:
            for made in self.loop.step(0.0):
                assert made.times is not None
                self.scored[made.window.channel].append(made.window.index)
                self.latencies.append(made.times.computed - made.window.captured)
            then = min(self._arrivals[0][0], self._workshop.next_end)
            self._workshop.pass_to(then)
            while self._arrivals[0][0] <= then:
                at, name, index = heapq.heappop(self._arrivals)
                self.loop.offer(Window(name, index, SILENCE, at - 10.0, at, captured=at))
                heapq.heappush(self._arrivals, (at + self._hop_s, name, index + 1))

    def shedding(self, channel: str) -> Shedding:
        found = self.loop.shedding(channel)
        assert found is not None
        return found


@pytest.mark.parametrize(("channels", "seconds"), [(6, 0.25), (16, 0.09)])
def test_at_70_percent_load_two_cores_are_done_within_half_a_hop_of_the_end_of_every_window(
    channels: int, seconds: float
) -> None:
    factory = Factory(channels, Workshop(lambda n: n * seconds))
    factory.run(100.0)
    assert max(factory.latencies) < 0.5
    assert all(indices == list(range(len(indices))) for indices in factory.scored.values())
    assert factory.loop.hop_changes == 0


def test_under_overload_both_cores_are_kept_busy_and_what_is_shed_and_scored_adds_up() -> None:
    workshop = Workshop(lambda n: 0.3 * n)
    factory = Factory(16, workshop)
    factory.run(120.0)
    scored = sum(len(indices) for indices in factory.scored.values())
    assert scored * 0.3 > 0.9 * 2 * 110
    assert factory.loop.hop_changes > 0
    for channel, indices in factory.scored.items():
        assert indices == sorted(set(indices))
        shed = factory.shedding(channel)
        told = len(indices) + shed.windows_shed + shed.windows_dropped
        assert 0 <= 119 - told <= 4, "the rest waits"


def test_a_backlog_is_worked_off_in_batches_where_these_are_cheaper() -> None:
    workshop = Workshop(lambda n: 0.2 + 0.05 * n)
    factory = Factory(16, workshop)
    factory.run(60.0)
    assert max(len(batch) for _, batch in workshop.begun) == 4
    assert factory.loop.hop_changes > 0 or max(factory.latencies) < 2.0
