"""The micro-batch loop: windows of all channels come in, batches are embedded, embeddings go out."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
QUIET_S = 60.0
"""Drops of a channel that are no further apart than this are one spell, which is logged once."""


class EngineLoop:
    """Stands between capture, which offers windows from its thread, and the engine's thread, which calls `step`.

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
            return not self._busy and not len(self._queue)

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
        """Embed the batch that is due, waiting at most `timeout_s` for one; empty where none came due."""
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

    def _work(self, batch: Sequence[QueuedWindow]) -> list[Embedding]:
        taken = self._clock()
        embeddings = self._embed([item.window for item in batch])
        computed = self._clock()
        with self._arrived:
            self._queue.computed(len(batch), computed - taken)
            self._overload.computed(len(batch), computed - taken)
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
            log.warning("window_not_embedded", problem=str(error))
            spoilt = set(error.positions)
            with self._arrived:
                self._refused.update(window.channel for i, window in enumerate(windows) if i in spoilt)
            return self._embed([window for i, window in enumerate(windows) if i not in spoilt])

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
