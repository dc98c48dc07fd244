"""The micro-batch loop: windows of all channels come in, batches are embedded, embeddings go out."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

import structlog

from asdstream.audio.window import Window
from asdstream.engine.batching import BatchPolicy, BatchQueue, QueuedWindow
from asdstream.engine.embedding import Embedding, WorkTimes
from asdstream.engine.errors import EmbeddingError
from asdstream.engine.overload import HopChange, Overload, Shedding
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs

log = structlog.get_logger()

ROOM_PER_CHANNEL = 2
"""An unpaced source may run this many windows ahead; more would only hold memory."""
ALONE_OF_HOP = 0.5
"""A window is left to one core where that has it done within half a hop; otherwise all of them together may have."""
LONGEST_S = 10.0
"""A lane that is at one batch for longer holds up the step, so that whoever watches it sees that it stands still."""
QUIET_S = 60.0
"""Drops of a channel that are no further apart than this are one spell, which is logged once."""


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A batch on a lane of its own since the monotonic second `taken`."""

    batch: Sequence[QueuedWindow]
    taken: float


class EngineLoop:
    """Stands between capture, which offers windows from its thread, and the engine's thread, which calls `step`.

    Where the engine has lanes, each takes the next windows as soon as it is free; where it has not, all of it takes a
    batch, and then the next one. The windows of a channel are embedded, and come out, in their order either way. A lone
    channel has nothing to put beside its windows, and `unpaced` ones gain by batches, so that these use no lanes.

    When more comes in than the engine can embed, `overload` says what gives way; `unpaced` channels, whose sources
    wait while there is no room, never do. Windows that cannot be embedded (samples or an embedding that are not
    finite) are left out. All of them are counted by channel. `separate_as` is what `Engine.embed` takes: the machine
    type as which a channel's sound is separated first.
    """

    def __init__(
        self,
        engine: Engine,
        policy: BatchPolicy,
        separate_as: Mapping[str, SeparateAs] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        overload: Overload | None = None,
        unpaced: frozenset[str] = frozenset(),
    ) -> None:
        self._engine = engine
        self._separate_as = dict(separate_as or {})
        self._clock = clock
        self._queue = BatchQueue(policy, kept=unpaced)
        self._overload = overload or Overload({})
        self._dropped: Counter[str] = Counter()
        self._dropped_at: dict[str, float] = {}
        self._refused: Counter[str] = Counter()
        self._hop_changes = 0
        self._arrived = threading.Condition()
        self._busy = False
        self._parts = not unpaced and self._overload.channels > 1
        self._alone_s = ALONE_OF_HOP * policy.hop_s
        self._under_way: list[_Begun] = []
        self._done: list[tuple[_Begun, Future[list[Embedding]], float]] = []

    @property
    def dropped(self) -> Mapping[str, int]:
        """Windows that were lost, by channel: pushed out under overload or not fit to be embedded."""
        with self._arrived:
            return self._dropped + self._refused

    @property
    def waiting(self) -> int:
        """Windows that wait for their batch, of all channels."""
        with self._arrived:
            return len(self._queue)

    @property
    def hop_changes(self) -> int:
        """How often the hop of a channel was widened or went back."""
        return self._hop_changes

    @property
    def idle(self) -> bool:
        """Whether no window waits and none is being embedded."""
        with self._arrived:
            return not (self._busy or self._under_way or self._done or len(self._queue))

    def shedding(self, channel: str) -> Shedding | None:
        """What `channel` has given way under overload; None for one that is never asked to."""
        with self._arrived:
            return self._overload.shedding(channel)

    def has_room(self, channel: str) -> bool:
        """Whether a source that does not keep to real time may go on."""
        with self._arrived:
            return self._queue.waiting(channel) < ROOM_PER_CHANNEL

    def offer(self, window: Window) -> None:
        """Let `window` wait for its batch, or leave it out under overload. Never blocks."""
        now = self._clock()
        with self._arrived:
            self._overload.arrived(window.channel, now)
            if self._overload.wants(window.channel, window.index):
                pushed_out = self._queue.put(window, now)
                if pushed_out is not None:
                    self._count_drop(pushed_out, now)
                self._arrived.notify()
            else:
                self._overload.shed(window.channel, 1)
            self._relieve(now)

    def step(self, timeout_s: float) -> list[Embedding]:
        """What has been embedded, waiting at most `timeout_s` for a batch to come due, or to be done on its lane.

        Empty where none was.
        """
        lanes = self._engine.lanes(self._alone_s) if self._parts else 1
        return self._step_side_by_side(lanes, timeout_s) if lanes > 1 else self._step_together(timeout_s)

    def _step_together(self, timeout_s: float) -> list[Embedding]:
        with self._arrived:
            due_at = self._queue.due_at()
            now = self._clock()
            if due_at is None:
                self._arrived.wait(timeout_s)
            elif due_at > now:
                self._arrived.wait(min(timeout_s, due_at - now))
            now = self._clock()
            self._relieve(now)
            batch = self._queue.take(now)
            self._busy = bool(batch)
        try:
            return self._work(batch) if batch else []
        finally:
            with self._arrived:
                self._busy = False

    def _step_side_by_side(self, lanes: int, timeout_s: float) -> list[Embedding]:
        with self._arrived:
            oldest = next(iter(self._under_way), None)
            if oldest is not None and self._clock() - oldest.taken > LONGEST_S:
                self._arrived.wait_for(lambda: oldest not in self._under_way)
            self._fill(lanes)
            if not self._done:
                self._arrived.wait(timeout_s)
                self._fill(lanes)
            done, self._done = self._done, []
            self._busy = bool(done)
        try:
            return [embedding for one in done for embedding in self._collect(*one, lanes)]
        finally:
            with self._arrived:
                self._busy = False

    def _fill(self, lanes: int) -> None:
        """Give every lane that is free its next batch."""
        now = self._clock()
        self._relieve(now)
        while len(self._under_way) < lanes:
            busy = {item.window.channel for begun in self._under_way for item in begun.batch}
            batch = self._queue.take_for_lane(now, lanes, busy)
            if not batch:
                return
            made = self._engine.begin([item.window for item in batch], self._separate_as)
            # What is begun does not know the future, which knows it: a circle would keep windows until it is found.
            begun = _Begun(batch, now)
            self._under_way.append(begun)
            made.add_done_callback(partial(self._end, begun))

    def _end(self, begun: _Begun, made: Future[list[Embedding]]) -> None:
        """On the thread of the lane, which is free from now on."""
        with self._arrived:
            self._under_way.remove(begun)
            self._done.append((begun, made, self._clock()))
            self._arrived.notify()

    def _collect(self, begun: _Begun, made: Future[list[Embedding]], computed: float, lanes: int) -> list[Embedding]:
        try:
            embeddings = made.result()
        except EmbeddingError as error:
            embeddings = self._embed(self._leave_out([item.window for item in begun.batch], error))
            computed = self._clock()
        return self._timed(embeddings, begun.batch, begun.taken, computed, lanes)

    def _work(self, batch: Sequence[QueuedWindow]) -> list[Embedding]:
        taken = self._clock()
        embeddings = self._embed([item.window for item in batch])
        return self._timed(embeddings, batch, taken, self._clock())

    def _timed(
        self,
        embeddings: Sequence[Embedding],
        batch: Sequence[QueuedWindow],
        taken: float,
        computed: float,
        lanes: int = 1,
    ) -> list[Embedding]:
        """`embeddings` with their times; from these it is learnt what a batch takes, and what load that is."""
        with self._arrived:
            self._queue.computed(len(batch), computed - taken)
            self._overload.computed(len(batch), (computed - taken) / lanes)
        queued = {(item.window.channel, item.window.index): item.queued for item in batch}
        return [
            replace(made, times=WorkTimes(queued[made.window.channel, made.window.index], taken, computed))
            for made in embeddings
        ]

    def _embed(self, windows: list[Window]) -> list[Embedding]:
        if not windows:
            return []
        try:
            return self._engine.embed(windows, self._separate_as)
        except EmbeddingError as error:
            return self._embed(self._leave_out(windows, error))

    def _leave_out(self, windows: Sequence[Window], error: EmbeddingError) -> list[Window]:
        """The windows that are sound; the others are counted."""
        log.warning("window_not_embedded", problem=str(error))
        spoilt = set(error.positions)
        with self._arrived:
            self._refused.update(window.channel for i, window in enumerate(windows) if i in spoilt)
        return [window for i, window in enumerate(windows) if i not in spoilt]

    def _relieve(self, now: float) -> None:
        """Let hops and the queue follow the load."""
        for change in self._overload.adjust(self._queue.oldest(), now):
            self._hop_changes += 1
            if change.widened:
                shed = self._queue.thin(change.channel, partial(self._overload.wants, change.channel))
                self._overload.shed(change.channel, shed)
            _tell(change)
        while (channel := self._overload.to_drop(self._queue.oldest(), self._queue.counts(), now)) is not None:
            self._count_drop(self._queue.drop_oldest(channel), now)

    def _count_drop(self, window: Window, now: float) -> None:
        channel = window.channel
        self._overload.dropped(channel)
        self._dropped[channel] += 1
        if now - self._dropped_at.get(channel, -math.inf) > QUIET_S:
            log.warning("windows_dropped", channel=channel, reason="the engine cannot keep up even at the widest hop")
        self._dropped_at[channel] = now


def _tell(change: HopChange) -> None:
    if change.widened:
        log.warning("hop_widened", channel=change.channel, hop_s=change.hop_s, reason="the engine cannot keep up")
    else:
        log.info("hop_narrowed", channel=change.channel, hop_s=change.hop_s)
