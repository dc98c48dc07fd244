"""The micro-batch loop: windows of all channels come in, batches are embedded, embeddings go out."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from asdstream.audio.window import Window
from asdstream.engine.batching import BatchPolicy, BatchQueue
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import EmbeddingError
from asdstream.engine.protocol import Engine

log = structlog.get_logger()

ROOM_PER_CHANNEL = 2
"""An unpaced source may run this many windows ahead; more would only hold memory."""


class EngineLoop:
    """Stands between capture, which offers windows from its thread, and the engine's thread, which calls `step`.

    Windows that find no room push out the oldest one of the channel that is furthest behind (`BatchQueue`); windows
    that cannot be embedded (samples or an embedding that are not finite) are left out. Both are counted by channel.
    `separate_as` is what `Engine.embed` takes: the machine type as which a channel's sound is separated first.
    """

    def __init__(
        self,
        engine: Engine,
        policy: BatchPolicy,
        separate_as: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._separate_as = dict(separate_as or {})
        self._clock = clock
        self._queue = BatchQueue(policy)
        self._waiting: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._arrived = threading.Condition()
        self._busy = False

    @property
    def dropped(self) -> Mapping[str, int]:
        """Windows that were never scored, by channel: pushed out under overload or not fit to be embedded."""
        with self._arrived:
            return Counter(self._queue.dropped) + self._refused

    @property
    def idle(self) -> bool:
        """Whether no window waits and none is being embedded."""
        with self._arrived:
            return not self._busy and not len(self._queue)

    def has_room(self, channel: str) -> bool:
        """Whether a source that does not keep to real time may go on."""
        with self._arrived:
            return self._waiting[channel] < ROOM_PER_CHANNEL

    def offer(self, window: Window) -> None:
        """Let `window` wait for its batch. Never blocks."""
        with self._arrived:
            self._waiting[window.channel] += 1
            dropped = self._queue.put(window, self._clock())
            if dropped is not None:
                self._waiting[dropped.channel] -= 1
                if self._queue.dropped[dropped.channel] == 1:
                    log.warning("window_dropped", channel=dropped.channel, reason="the engine cannot keep up")
            self._arrived.notify()

    def step(self, timeout_s: float) -> list[Embedding]:
        """Embed the batch that is due, waiting at most `timeout_s` for one; empty where none came due."""
        with self._arrived:
            due_at = self._queue.due_at()
            now = self._clock()
            if due_at is None:
                self._arrived.wait(timeout_s)
            elif due_at > now:
                self._arrived.wait(min(timeout_s, due_at - now))
            batch = self._queue.take(self._clock())
            self._waiting.subtract(window.channel for window in batch)
            self._busy = bool(batch)
        try:
            return self._embed(batch) if batch else []
        finally:
            with self._arrived:
                self._busy = False

    def _embed(self, batch: list[Window]) -> list[Embedding]:
        try:
            return self._engine.embed(batch, self._separate_as)
        except EmbeddingError as error:
            log.warning("window_not_embedded", problem=str(error))
            spoilt = set(error.positions)
            with self._arrived:
                self._refused.update(window.channel for i, window in enumerate(batch) if i in spoilt)
            return self._embed([window for i, window in enumerate(batch) if i not in spoilt])
