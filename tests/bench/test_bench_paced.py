"""Channels in real time, with engines that take a known time."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.window import Window
from asdstream.bench.energy import EnergyCounter, EnergyMeter
from asdstream.bench.findings import measure, measure_channels
from asdstream.bench.paced import run_paced
from asdstream.bench.paced_run import PacedRun
from asdstream.bench.steady_rate import steady_rate
from asdstream.bench.subject import Subject
from asdstream.bundle import Branch
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import EngineError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import Scorer

pytestmark = pytest.mark.alone

VECTOR = np.eye(1, 4, dtype=np.float32)[0]


class SleepingEngine:
    """Sleeps for each window, and remembers in which order and way windows came."""

    branches = (Branch("audiomae", "audiomae"),)

    def __init__(self, seconds_per_window: float, fails_after: int | None = None) -> None:
        self.seconds_per_window = seconds_per_window
        self.fails_after = fails_after
        self.seen: list[tuple[str, int]] = []
        self.largest = 0
        self.separated: set[str] = set()

    def warm_up(self, batches: Sequence[int] = (1,), separate_as: Iterable[object] = ()) -> float:
        return 0.0

    def separate(self, chunks: NDArray[np.float32], machine_type: str) -> NDArray[np.float32]:
        return chunks

    def lanes(self, within_s: float) -> int:
        return 1

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, object] | None = None) -> list[Embedding]:
        if self.fails_after is not None and len(self.seen) >= self.fails_after:
            raise EngineError("no memory")
        time.sleep(self.seconds_per_window * len(windows))
        self.seen += [(window.channel, window.index) for window in windows]
        self.largest = max(self.largest, len(windows))
        self.separated |= set(separate_as or {})
        return [Embedding(window, {"audiomae": VECTOR}) for window in windows]

    def embed_samples(self, samples: NDArray[np.float32], separate_as: object = None) -> dict[str, NDArray[np.float32]]:
        return {"audiomae": np.tile(VECTOR, (len(samples), 1))}


def scorer() -> Scorer:
    reference = Reference("reference/0", {"audiomae": VECTOR[None]})
    return Scorer("bench", None, None, FalseAlarmRate(0.1, 0.1, 5, 8), [reference])


def test_channels_that_the_engine_keeps_up_with_are_scored_to_the_last_window() -> None:
    engine = SleepingEngine(0.001)
    run = run_paced(engine, scorer(), channels=3, hop_s=0.1, seconds=1.0, separate_as="fan", max_batch=4)
    assert (run.channels, run.hop_s, run.seconds) == (3, 0.1, 1.0)
    assert run.windows == run.scored == len(run.latencies_s) == 30
    assert (run.shed, run.dropped) == (0, 0)
    assert 0.0 < run.p50 <= run.p99 < 0.5
    assert 0.0 < run.busy < 0.5
    assert run.resident_bytes > 1_000_000
    assert engine.separated == {"channel-0", "channel-1", "channel-2"}
    for channel in ("channel-0", "channel-1", "channel-2"):
        assert [index for name, index in engine.seen if name == channel] == list(range(11)), "and one that went before"


def test_channels_that_are_too_many_are_shed_as_the_daemon_does_and_counted() -> None:
    engine = SleepingEngine(0.05)
    run = run_paced(engine, scorer(), channels=10, hop_s=0.1, seconds=3.0, max_batch=4)
    assert run.windows == 300
    assert run.shed + run.dropped > 100
    assert run.scored + run.shed + run.dropped == run.windows
    assert not run.held
    assert run.busy > 0.8
    assert engine.largest == 4


def test_an_engine_of_two_lanes_is_never_busier_than_all_the_time_and_keeps_the_order_of_a_channel() -> None:
    class TwoLanes(SleepingEngine):
        pool = ThreadPoolExecutor(2)

        def lanes(self, within_s: float) -> int:
            return 2

        def begin(
            self, windows: Sequence[Window], separate_as: Mapping[str, object] | None = None
        ) -> Future[list[Embedding]]:
            return self.pool.submit(self.embed, windows, separate_as)

    engine = TwoLanes(0.08)
    run = run_paced(engine, scorer(), channels=4, hop_s=0.2, seconds=1.0, max_batch=4)
    engine.pool.shutdown()
    assert run.scored + run.shed + run.dropped == run.windows == 20
    assert 0.3 < run.busy <= 1.0
    for channel in range(4):
        indices = [index for name, index in engine.seen if name == f"channel-{channel}"]
        assert indices == sorted(indices)


def test_sound_may_go_by_faster_than_it_would() -> None:
    engine = SleepingEngine(0.0)
    starts: dict[str, list[int]] = {}
    embed = engine.embed

    def heard(windows: Sequence[Window], separate_as: Mapping[str, object] | None = None) -> list[Embedding]:
        for window in windows:
            starts.setdefault(window.channel, []).append(window.start)
        return embed(windows, separate_as)

    engine.embed = heard  # type: ignore[method-assign]
    run = run_paced(engine, scorer(), channels=2, hop_s=1.0, seconds=0.5, pace=20.0)
    assert (run.hop_s, run.windows, run.scored) == (0.05, 20, 20)
    assert starts["channel-0"] == [index * 16_000 for index in range(11)]


def test_an_engine_that_fails_ends_the_run_with_its_reason() -> None:
    with pytest.raises(EngineError, match=r"2 channels could not be heard to the end.*no memory"):
        run_paced(SleepingEngine(0.0, fails_after=6), scorer(), channels=2, hop_s=0.1, seconds=5.0)


def subject(engine: SleepingEngine) -> Subject:
    return Subject(engine, scorer(), None, 0.1, 4)


@pytest.fixture
def clock() -> Callable[[], float]:
    """Goes on by a quarter of a second whenever it is read."""
    return partial(next, itertools.count(0.0, 0.25))


def test_the_rate_counts_full_batches_of_streams_that_go_on(clock: Callable[[], float]) -> None:
    engine = SleepingEngine(0.0)
    drawn = iter([1_000_000, 5_000_000])
    meter = EnergyMeter([EnergyCounter("package-0", lambda: next(drawn))])
    rate = steady_rate(subject(engine), 1.0, meter, clock)
    assert (rate.windows, rate.seconds) == (16, 1.0), "four rounds, the first windows left out"
    assert rate.per_second == 16.0
    assert (rate.joules, rate.watts, rate.per_joule) == (4.0, 4.0, 4.0)
    assert engine.seen == [(f"channel-{channel}", index) for index in range(5) for channel in range(4)]


def test_a_long_measurement_reads_the_counter_before_it_goes_round(clock: Callable[[], float]) -> None:
    reads = iter(range(0, 1_000, 10))
    counter = EnergyCounter("package-0", lambda: (next(reads) * 100_000) % 1_500_000, range_uj=1_500_000)
    rate = steady_rate(subject(SleepingEngine(0.0)), 100.0, EnergyMeter([counter]), clock)
    assert rate.joules == pytest.approx(4.0), "read at 30, 60, 90 and 100 s, one joule each"


def test_what_is_not_told_is_not_made_up(clock: Callable[[], float]) -> None:
    rate = steady_rate(subject(SleepingEngine(0.0)), 1.0, None, clock)
    assert (rate.joules, rate.watts, rate.per_joule) == (None, None, None)


def test_the_whole_measurement_finds_a_number_proves_it_and_stays_below_it_for_latency(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capacity = 13

    def paced(engine: object, scorer: object, channels: int, hop_s: float, seconds: float, *_: object, **__: object):
        shed = max(0, channels - capacity)
        return PacedRun(channels, hop_s, seconds, 100, 100 - shed, shed, 0, (0.1, 0.1), 1)

    monkeypatch.setattr("asdstream.bench.findings.run_paced", paced)
    told: list[PacedRun] = []
    found = measure(subject(SleepingEngine(0.001)), 0.05, 0.7, None, told.append)
    assert found.channels_held == capacity
    assert {run.channels: run.held for run in found.tries}[13]
    assert not {run.channels: run.held for run in found.tries}[14]
    assert found.latency is not None
    assert found.latency.channels == 9
    assert told == [*found.tries, found.latency]
    assert not found.disturbed
    capacity = 0
    nothing = measure(subject(SleepingEngine(0.001)), 0.05, 0.7, None, told.append)
    assert (nothing.channels_held, nothing.latency) == (0, None)


def test_a_given_number_of_channels_is_measured_and_nothing_else() -> None:
    told: list[PacedRun] = []
    found = measure_channels(subject(SleepingEngine(0.001)), 2, 0.5, told.append)
    assert found.latency is not None
    assert found.latency.channels == 2
    assert told == [found.latency]
    assert (found.rate, found.channels_held, found.tries) == (None, None, ())
