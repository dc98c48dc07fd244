"""The engine for those who are not its thread: their sound waits for a gap between two batches."""

import queue
import threading
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from asdstream.engine.errors import EngineError
from asdstream.engine.protocol import SampleEmbedder
from asdstream.engine.separate_as import SeparateAs

_Rows = dict[str, NDArray[np.float32]]


class LentEngine:
    """Embeds samples for any thread, on the engine's, which calls `serve` between two of its own batches.

    At most `at_once` windows are embedded at a time, so that live sound waits no longer than for a batch of its own.
    """

    def __init__(self, engine: SampleEmbedder, at_once: int) -> None:
        self._engine = engine
        self._at_once = at_once
        self._lock = threading.Lock()
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[NDArray[np.float32], SeparateAs | None, Future[_Rows]]] = (
            queue.SimpleQueue()
        )

    def embed_samples(self, samples: NDArray[np.float32], separate_as: SeparateAs | None = None) -> _Rows:
        """As `Engine.embed_samples`; waits for the engine's thread. Raises EngineError once closed."""
        parts = [
            self._ask(samples[first : first + self._at_once], separate_as)
            for first in range(0, len(samples), self._at_once)
        ]
        return {branch: np.concatenate([part[branch] for part in parts]) for branch in parts[0]}

    def serve(self) -> None:
        """Embed what has waited longest, where anything waits; on the engine's thread."""
        try:
            samples, separate_as, answer = self._waiting.get_nowait()
        except queue.Empty:
            return
        try:
            answer.set_result(self._engine.embed_samples(samples, separate_as))
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
            self._waiting.get_nowait()[2].set_exception(_closed())

    def _ask(self, samples: NDArray[np.float32], separate_as: SeparateAs | None) -> _Rows:
        answer: Future[_Rows] = Future()
        with self._lock:
            if self._closed:
                raise _closed()
            self._waiting.put((samples, separate_as, answer))
        return answer.result()


def _closed() -> EngineError:
    return EngineError("the engine has stopped")
