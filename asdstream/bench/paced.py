"""Channels in real time, through what the daemon has between capture and broker: queue, engine, scorer."""

import math
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.phase import spread_phases
from asdstream.bench.memory import resident_bytes
from asdstream.bench.paced_run import PacedRun
from asdstream.bench.sound import ChannelSound
from asdstream.daemon import CAPTURE_ROUND_S, JUDGE_QUEUE
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import EngineError
from asdstream.engine.loop import EngineLoop
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs
from asdstream.mqtt.payloads import ScorePayload
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.wiring import engine_loop_of
from asdstream.worker import IDLE_S, Crew

__all__ = ["PacedRun", "run_paced"]

BLOCK_S = 0.1
"""As a sound card gives them."""
DRAIN_HOPS = 2.0
DRAIN_S = 2.0
"""After the last window there is this much time, and so many hops, for those that still wait."""
END_S = 60.0
"""What a stage may take over the step that it is in: a thread left inside torch ends the process with an abort."""


def run_paced(
    engine: Engine,
    scorer: MachineScorer,
    channels: int,
    hop_s: float,
    seconds: float,
    separate_as: SeparateAs | None = None,
    *,
    max_batch: int = 8,
    seed: int = 0,
    pace: float = 1.0,
) -> PacedRun:
    """Let `channels` send a window every `hop_s` seconds for `seconds`, and count what becomes of them.

    Queue, batches and overload are the daemon's own, and so are its threads and the pauses between its rounds. The
    channels' hops end at moments spread over the hop, as the daemon spreads them, each later by a part of a block that
    is drawn once with `seed`: a window ends with a whole block of its source. Before the clock runs, each channel's
    first window is embedded, so that all have been heard for a while. Capture itself (drivers, resampling) and the
    broker have no part in it: a window is published when its message is encoded.

    With a `pace`, `pace` times as much sound goes by: windows come every `hop_s` / `pace` seconds, which is the hop
    that the result tells, and each goes on by `hop_s`.

    The engine should be warm. Raises EngineError where it fails, ScoringError where nothing can be scored, and
    ValueError for no channel or a hop of less than one sample.
    """
    sound = ChannelSound(channels, hop_s, seed)
    separations = {} if separate_as is None else dict.fromkeys(sound.names, separate_as)
    first = sound.round(0, time.monotonic())
    for place in range(0, channels, max_batch):
        for embedding in engine.embed(first[place : place + max_batch], separations):
            scorer.score(embedding)
    every_s = hop_s / pace
    loop = engine_loop_of(engine, max_batch, dict.fromkeys(sound.names, every_s), separations)
    line = _Line(loop, scorer, sound, _schedule(channels, every_s, seconds, seed), every_s)
    return line.run(seconds)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Which window ends when: seconds since the start, ascending, with channel and index of each, all (n,)."""

    ends: NDArray[np.float64]
    channels: NDArray[np.int64]
    indices: NDArray[np.int64]


def _schedule(channels: int, hop_s: float, seconds: float, seed: int) -> _Schedule:
    late = np.random.default_rng(seed).uniform(0.0, min(BLOCK_S, hop_s), channels)
    phases = (np.array(spread_phases(hop_s, channels)) + late) % hop_s
    counts = np.maximum(1, np.ceil((seconds - phases) / hop_s)).astype(np.int64)
    of_channel = np.repeat(np.arange(channels), counts)
    indices = np.concatenate([np.arange(1, count + 1) for count in counts])
    ends = phases[of_channel] + (indices - 1) * hop_s
    order = np.argsort(ends, kind="stable")
    return _Schedule(ends[order], of_channel[order], indices[order])


class _Line:
    """The stages of one run, each in a thread of its own."""

    def __init__(
        self, loop: EngineLoop, scorer: MachineScorer, sound: ChannelSound, schedule: _Schedule, hop_s: float
    ) -> None:
        self._loop = loop
        self._scorer = scorer
        self._sound = sound
        self._schedule = schedule
        self._hop_s = hop_s
        self._begun = 0.0
        self._sent = 0
        self._embedded: queue.Queue[Sequence[Embedding]] = queue.Queue(JUDGE_QUEUE)
        self._published: list[tuple[float, float]] = []
        self._batches: set[tuple[float, float]] = set()
        self._crew = Crew()

    def run(self, seconds: float) -> PacedRun:
        self._begun = time.monotonic()
        self._crew.hire("capture", self._capture_step)
        self._crew.hire("engine", self._engine_step)
        self._crew.hire("judge", self._judge_step)
        drained = self._begun + seconds + DRAIN_S + DRAIN_HOPS * self._hop_s
        self._wait_until(lambda: self._done, drained)
        resident = resident_bytes()
        self._crew.dismiss(END_S)
        if self._crew.failure is not None:
            raise EngineError(f"{len(self._sound.names)} channels could not be heard to the end: {self._crew.failure}")
        return self._result(seconds, resident)

    @property
    def _done(self) -> bool:
        """Whether every window has been sent and has had its end."""
        return self._sent == len(self._schedule.ends) == len(self._published) + self._shed + self._dropped

    @property
    def _shed(self) -> int:
        given_way = (self._loop.shedding(name) for name in self._sound.names)
        return sum(shedding.windows_shed for shedding in given_way if shedding is not None)

    @property
    def _dropped(self) -> int:
        return sum(self._loop.dropped.values())

    def _wait_until(self, done: Callable[[], bool], deadline: float) -> None:
        while not (done() or time.monotonic() > deadline or self._crew.stop.wait(IDLE_S)):
            pass

    def _capture_step(self) -> None:
        elapsed = time.monotonic() - self._begun
        due = int(np.searchsorted(self._schedule.ends, elapsed, side="right"))
        for place in range(self._sent, due):
            window = self._sound.window(
                int(self._schedule.channels[place]),
                int(self._schedule.indices[place]),
                self._begun + float(self._schedule.ends[place]),
            )
            self._loop.offer(window)
        self._sent = due
        self._crew.stop.wait(CAPTURE_ROUND_S)

    def _engine_step(self) -> None:
        embeddings = self._loop.step(IDLE_S)
        if embeddings:
            self._embedded.put(embeddings)

    def _judge_step(self) -> None:
        try:
            batch = self._embedded.get(timeout=IDLE_S)
        except queue.Empty:
            return
        try:
            for embedding in batch:
                scored = self._scorer.score(embedding)
                ScorePayload.of(replace(scored, published=time.monotonic())).encode()
                self._published.append((scored.captured, time.monotonic()))
                if embedding.times is not None:
                    self._batches.add((embedding.times.taken, embedding.times.computed))
        finally:
            self._embedded.task_done()

    def _result(self, seconds: float, resident: int) -> PacedRun:
        end = self._begun + seconds
        return PacedRun(
            channels=len(self._sound.names),
            hop_s=self._hop_s,
            seconds=seconds,
            windows=self._sent,
            scored=len(self._published),
            shed=self._shed,
            dropped=self._dropped,
            latencies_s=tuple(published - ended for ended, published in sorted(self._published)),
            resident_bytes=resident,
            busy=_covered_s(self._batches, end) / seconds,
        )


def _covered_s(spans: Iterable[tuple[float, float]], end: float) -> float:
    """Seconds before `end` that lie in any of these spans, of which several may be under way at once."""
    covered, until = 0.0, -math.inf
    for first, last in sorted(spans):
        covered += max(0.0, min(last, end) - max(first, until))
        until = max(until, last)
    return covered
