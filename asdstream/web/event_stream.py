"""Server-sent events: what happens goes to every browser that listens, and none of them can hold up the others."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator

MOST_LISTENERS = 64
BACKLOG = 256
"""Events that wait for a slow browser; beyond it the stream is ended, and the browser begins with a fresh picture."""
BEAT_S = 5.0
"""A browser that hears nothing for twice as long takes the line for dead."""
RETRY_MS = 2000


def encode(event: str, data: object) -> bytes:
    """One event as it goes over the line; JSON never holds a line end, so that one line is enough.

    Example:
        >>> encode("score", {"score": 0.5})
        b'event: score\\ndata: {"score":0.5}\\n\\n'
    """
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


_BEAT = encode("beat", None)


class Listener:
    """One browser; made and read on the event loop, fed from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._news = asyncio.Event()
        self._over = False

    def offer(self, message: bytes) -> None:
        """Have it sent, unless too much waits already: then the stream ends."""
        with self._lock:
            if self._over:
                return
            self._over = len(self._waiting) >= BACKLOG
            self._waiting.append(message)
            first = len(self._waiting) == 1 or self._over
        if first:
            self._wake()

    def end(self) -> None:
        """End the stream once what waits is sent."""
        with self._lock:
            self._over = True
        self._wake()

    def _wake(self) -> None:
        # The loop may have ended already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def messages(self, beat_s: float = BEAT_S) -> AsyncIterator[bytes]:
        """What was offered, joined where several wait; now and then a beat, so that both ends notice a dead line."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), beat_s)
            self._news.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
                over = self._over
            if waiting:
                yield b"".join(waiting)
            elif not over:
                yield _BEAT
            if over:
                return


class EventStream:
    """All listeners; at most so many. `publish` may be called from any thread."""

    def __init__(self, most: int = MOST_LISTENERS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def open(self) -> Listener | None:
        """A new listener; None where there are too many already, or all is coming to its end."""
        with self._lock:
            if self._closed or len(self._listeners) >= self._most:
                return None
            listener = Listener(asyncio.get_running_loop())
            self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Nobody reads it any more."""
        with self._lock:
            self._listeners.discard(listener)

    def publish(self, event: str, data: object) -> None:
        """Tell every listener."""
        with self._lock:
            listeners = list(self._listeners)
        if not listeners:
            return
        message = encode(event, data)
        for listener in listeners:
            listener.offer(message)

    def close(self) -> None:
        """End every stream and take no more."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.end()
