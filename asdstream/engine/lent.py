"""The engine for those who are not its thread: their sound waits for a gap between two batches."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asdstream.engine.errors import EngineError
from asdstream.engine.protocol import SampleEmbedder
from asdstream.engine.separate_as import SeparateAs

_Rows = dict[str, NDArray[np.float32]]
_Result = TypeVar("_Result")


class LentEngine:
    """Embeds samples for any thread, on the engine's, which calls `serve` between two of its own batches.

    At most `at_once` windows are embedded at a time, so that live sound waits no longer than for a batch of its own.
    """

    def __init__(self, engine: SampleEmbedder, at_once: int) -> None:
        self._engine = engine
        self._at_once = at_once
        self._lock = threading.Lock()
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()

    def embed_samples(self, samples: NDArray[np.float32], separate_as: SeparateAs | None = None) -> _Rows:
        """As `Engine.embed_samples`; waits for the engine's thread. Raises EngineError once closed."""

        def embed(part: NDArray[np.float32]) -> _Rows:
            return self.lend(lambda: self._engine.embed_samples(part, separate_as))

        parts = [embed(samples[first : first + self._at_once]) for first in range(0, len(samples), self._at_once)]
        return {branch: np.concatenate([part[branch] for part in parts]) for branch in parts[0]}

    def lend(self, work: Callable[[], _Result], within_s: float | None = None) -> _Result:
        """What `work` gives on the engine's thread; it must take no longer there than a batch of the engine's own.

        Raises EngineError once closed, and TimeoutError where it has not been done within so many seconds.
        """
        answer: Future[_Result] = Future()
        with self._lock:
            if self._closed:
                raise _closed()
            self._waiting.put((work, answer))
        try:
            return answer.result(within_s)
        except TimeoutError:
            answer.cancel()
            raise

    def serve(self) -> None:
        """Do what has waited longest, where anything waits; on the engine's thread."""
        try:
            work, answer = self._waiting.get_nowait()
        except queue.Empty:
            return
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(work())
        except EngineError as error:
            answer.set_exception(error)
        except BaseException as error:
            answer.set_exception(error)
            raise

    def close(self) -> None:
        """Nobody serves any more: whoever waits, or comes later, is told so."""
        with self._lock:
            self._closed = True
        while not self._waiting.empty():
            answer = self._waiting.get_nowait()[1]
            if answer.set_running_or_notify_cancel():
                answer.set_exception(_closed())


def _closed() -> EngineError:
    return EngineError("the engine has stopped")
