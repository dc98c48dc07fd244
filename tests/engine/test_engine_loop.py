"""The micro-batch loop between capture and the engine."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.engine.batching import BatchPolicy
from asdstream.engine.embedding import Embedding, WorkTimes
from asdstream.engine.errors import EmbeddingError
from asdstream.engine.loop import ROOM_PER_CHANNEL, EngineLoop


class PretendEmbedder:
    """Refuses windows that hold a NaN, as the real one does; the vectors do not matter here."""

    def __init__(self, clock: "Clock") -> None:
        self.batches: list[int] = []
        self.takes_s = 0.0
        self._clock = clock

    def lanes(self, within_s: float) -> int:
        return 1

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str]) -> list[Embedding]:
        self.batches.append(len(windows))
        self._clock.now += self.takes_s
        self.separated = [window.channel for window in windows if window.channel in separate_as]
        spoilt = tuple(i for i, window in enumerate(windows) if not np.isfinite(window.samples).all())
        if spoilt:
            raise EmbeddingError("holds NaN", spoilt)
        return [Embedding(window, {}) for window in windows]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def window(channel: str, index: int, value: float = 0.0) -> Window:
    return Window(channel, index, np.full(WINDOW_SAMPLES, value, np.float32), 0.0, 10.0, 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def embedder(clock: Clock) -> PretendEmbedder:
    return PretendEmbedder(clock)


@pytest.fixture
def loop(embedder: PretendEmbedder, clock: Clock) -> EngineLoop:
    return EngineLoop(embedder, BatchPolicy((1, 2, 4), deadline_s=0.5, capacity=6), {"b": "fan"}, clock)  # type: ignore[arg-type]


def heard(embeddings: Sequence[Embedding]) -> list[tuple[str, int]]:
    return [(embedding.window.channel, embedding.window.index) for embedding in embeddings]


def test_a_full_batch_is_embedded_at_once_and_channels_take_turns(loop: EngineLoop) -> None:
    for index in range(2):
        loop.offer(window("a", index))
        loop.offer(window("b", index))
    assert heard(loop.step(0.0)) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert loop.idle


def test_the_embedder_is_told_which_channels_are_separated(loop: EngineLoop, embedder: PretendEmbedder) -> None:
    for channel in ("a", "b", "a", "b"):
        loop.offer(window(channel, 0))
    loop.step(0.0)
    assert embedder.separated == ["b", "b"]


def test_a_lone_window_waits_for_company_until_its_deadline(loop: EngineLoop, clock: Clock) -> None:
    loop.offer(window("a", 0))
    assert loop.step(0.0) == []
    assert not loop.idle
    clock.now = 0.5
    assert heard(loop.step(0.0)) == [("a", 0)]


def test_without_work_a_step_comes_back_empty(loop: EngineLoop) -> None:
    assert loop.step(0.01) == []


def test_when_nothing_finds_room_the_oldest_window_of_the_channel_furthest_behind_goes_and_is_counted(
    loop: EngineLoop,
) -> None:
    loop.offer(window("quiet", 0))
    for index in range(6):
        loop.offer(window("busy", index))
    assert loop.dropped == {"busy": 1}
    first = heard(loop.step(0.0))
    assert ("busy", 0) not in first
    assert ("quiet", 0) in first


def test_a_window_that_cannot_be_embedded_is_left_out_counted_and_the_others_are_embedded(
    loop: EngineLoop, embedder: PretendEmbedder
) -> None:
    for index, value in enumerate((0.0, np.nan, 0.0, 0.0)):
        loop.offer(window("a", index, value))
    assert heard(loop.step(0.0)) == [("a", 0), ("a", 2), ("a", 3)]
    assert loop.dropped == {"a": 1}
    assert embedder.batches == [4, 3]


def test_a_batch_of_nothing_but_spoilt_windows_gives_nothing(loop: EngineLoop, clock: Clock) -> None:
    loop.offer(window("a", 0, np.nan))
    clock.now = 1.0
    assert loop.step(0.0) == []
    assert loop.dropped == {"a": 1}


def test_there_is_room_until_a_channel_has_its_share_waiting(loop: EngineLoop, clock: Clock) -> None:
    for index in range(ROOM_PER_CHANNEL):
        assert loop.has_room("tape")
        loop.offer(window("tape", index))
    assert not loop.has_room("tape")
    assert loop.has_room("another")
    clock.now = 1.0
    loop.step(0.0)
    assert loop.has_room("tape")


def test_an_embedding_carries_when_its_window_was_queued_taken_and_embedded(
    loop: EngineLoop, embedder: PretendEmbedder, clock: Clock
) -> None:
    embedder.takes_s = 0.25
    clock.now = 7.0
    loop.offer(window("a", 0))
    clock.now = 7.5
    (made,) = loop.step(0.0)
    assert made.times == WorkTimes(queued=7.0, taken=7.5, computed=7.75)
