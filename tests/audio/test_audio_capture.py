"""The capture worker's round over its sources."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest

from asdstream.audio.block import AudioBlock
from asdstream.audio.capture import Capture, Listener, Presence
from asdstream.audio.channel import Channel
from asdstream.audio.source import SourceState
from asdstream.audio.window import Window


class ScriptedSource:
    """Delivers what the test puts into `ready`."""

    def __init__(self, *, paced: bool = True) -> None:
        self.paced = paced
        self.state = SourceState.WAITING
        self.problem: str | None = None
        self.rejected = 0
        self.ready: list[AudioBlock] = []
        self.polls = 0
        self.stopped = False

    def start(self, now: float) -> None:
        self.state = SourceState.LIVE

    def poll(self, now: float) -> list[AudioBlock]:
        self.polls += 1
        blocks, self.ready = self.ready, []
        return blocks

    def stop(self) -> None:
        self.stopped = True


def seconds_of_sound(seconds: float) -> AudioBlock:
    return AudioBlock(np.full((round(seconds * 16_000), 1), 0.1, np.float32), 16_000)


def always(_channel: str) -> bool:
    return True


def round_of(
    capture: Capture, now: float, utc: float, has_room: Callable[[str], bool] = always
) -> tuple[list[Window], list[Presence]]:
    windows: list[Window] = []
    changes = capture.round(now, utc, has_room, windows.append)
    return windows, changes


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def capture(source: ScriptedSource) -> Capture:
    capture = Capture([Listener(source, Channel("fan", hop_s=1.0))], lost_after_s=5.0)
    capture.start(now=100.0)
    return capture


def test_a_round_gives_the_windows_that_have_become_complete(capture: Capture, source: ScriptedSource) -> None:
    source.ready = [seconds_of_sound(9.5)]
    assert round_of(capture, 109.5, 1000.0) == ([], [])
    source.ready = [seconds_of_sound(1.5)]
    windows, changes = round_of(capture, 111.0, 1001.5)
    assert [(window.channel, window.index) for window in windows] == [("fan", 0), ("fan", 1)]
    assert changes == []


def test_a_channel_without_sound_for_too_long_is_lost_once_and_comes_back_once(
    capture: Capture, source: ScriptedSource
) -> None:
    source.problem = "the cable is out"
    assert round_of(capture, 105.0, 0.0) == ([], [])
    (change,) = round_of(capture, 105.1, 0.0)[1]
    assert (change.lost, change.reason) == (True, "the cable is out")
    assert round_of(capture, 200.0, 0.0)[1] == [], "still lost is no news"
    source.ready = [seconds_of_sound(0.1)]
    (change,) = round_of(capture, 201.0, 0.0)[1]
    assert not change.lost


def test_a_source_that_has_ended_is_not_lost_and_is_not_asked_again(capture: Capture, source: ScriptedSource) -> None:
    source.ready = [seconds_of_sound(10.0)]
    source.state = SourceState.ENDED
    windows, changes = round_of(capture, 110.0, 0.0)
    assert len(windows) == 1
    assert changes == []
    assert capture.ended
    round_of(capture, 999.0, 0.0)
    assert source.polls == 1


def test_a_source_that_does_not_keep_to_real_time_waits_while_there_is_no_room() -> None:
    source = ScriptedSource(paced=False)
    capture = Capture([Listener(source, Channel("tape", hop_s=1.0, paced=False))], lost_after_s=5.0)
    capture.start(0.0)
    round_of(capture, 1.0, 0.0, lambda _channel: False)
    assert source.polls == 0
    assert round_of(capture, 1e6, 0.0, lambda _channel: False)[1] == [], "a tape that waits is not lost"
    round_of(capture, 2.0, 0.0)
    assert source.polls == 1


def test_stopping_releases_every_source(capture: Capture, source: ScriptedSource) -> None:
    capture.stop()
    assert source.stopped


def test_of_a_long_block_one_window_at_a_time_is_in_memory(capture: Capture, source: ScriptedSource) -> None:
    """A message of minutes would otherwise become hundreds of windows of 0.64 MB before the first is handed on."""
    source.ready = [seconds_of_sound(120.0)]
    alive: list[weakref.ref[Window]] = []

    def take(window: Window) -> None:
        assert sum(other() is not None for other in alive) <= 1
        alive.append(weakref.ref(window.samples))  # type: ignore[arg-type]

    capture.round(220.0, 0.0, always, take)
    assert len(alive) == capture.windows == 111
