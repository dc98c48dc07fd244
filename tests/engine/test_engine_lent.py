"""The engine for other threads than its own."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.engine.errors import EngineError
from asdstream.engine.lent import LentEngine
from asdstream.engine.separate_as import SeparateAs


class Means:
    """Embeds a window as its mean, and notes by which thread and how many at once it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, SeparateAs | None]] = []

    def embed_samples(
        self, samples: NDArray[np.float32], separate_as: SeparateAs | None = None
    ) -> dict[str, NDArray[np.float32]]:
        self.asked.append((threading.current_thread().name, len(samples), separate_as))
        if np.isnan(samples).any():
            raise EngineError("not finite")
        return {"mean": samples.mean(axis=1, keepdims=True)}


def ask(lent: LentEngine, samples: NDArray[np.float32]) -> tuple[threading.Thread, list[object]]:
    found: list[object] = []

    def work() -> None:
        try:
            found.append(lent.embed_samples(samples, "fan")["mean"])
        except EngineError as error:
            found.append(str(error))

    thread = threading.Thread(target=work, name="borrower", daemon=True)
    thread.start()
    return thread, found


def test_sound_is_embedded_in_pieces_by_the_thread_that_serves() -> None:
    engine = Means()
    lent = LentEngine(engine, at_once=2)
    samples = np.arange(10, dtype=np.float32).reshape(5, 2)
    thread, found = ask(lent, samples)
    while thread.is_alive():
        lent.serve()
    np.testing.assert_array_equal(np.asarray(found[0]), samples.mean(axis=1, keepdims=True))
    assert engine.asked == [(threading.current_thread().name, n, "fan") for n in (2, 2, 1)]


def test_what_cannot_be_embedded_is_told_to_whoever_asked_and_to_nobody_else() -> None:
    lent = LentEngine(Means(), at_once=8)
    thread, found = ask(lent, np.full((1, 2), np.nan, np.float32))
    while thread.is_alive():
        lent.serve()
    assert found == ["not finite"]


def test_nobody_waits_for_an_engine_that_has_stopped() -> None:
    lent = LentEngine(Means(), at_once=8)
    thread, found = ask(lent, np.ones((1, 2), np.float32))
    thread.join(0.05)
    lent.close()
    thread.join(5)
    assert found == ["the engine has stopped"]
    with pytest.raises(EngineError, match="has stopped"):
        lent.embed_samples(np.ones((1, 2), np.float32))


def test_what_the_engine_has_no_time_for_is_not_done_later() -> None:
    lent = LentEngine(Means(), at_once=8)
    done: list[int] = []
    with pytest.raises(TimeoutError):
        lent.lend(lambda: done.append(1), within_s=0.01)
    lent.serve()
    assert done == []
