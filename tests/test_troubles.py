"""What is wrong with the listening, from what the rooms count."""

import numpy as np
import pytest

from asdstream.alarms.event import AlarmKind
from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.capture import Listener
from asdstream.audio.channel import Channel
from asdstream.audio.mqtt import MqttSource
from asdstream.audio.source import SourceState
from asdstream.engine.overload import Shedding
from asdstream.troubles import MB, ChannelTroubles, NodeTroubles

NOISE = 0.1 * np.random.default_rng(0).standard_normal((16_000, 1)).astype(np.float32).clip(-3, 3)


class Fan:
    """A channel that is fed a second of sound at a time, and what is wrong with it."""

    def __init__(self) -> None:
        self.listener = Listener(MqttSource("wav", 1_000_000, channel="fan-1"), Channel("fan-1", 1.0))
        self.troubles = ChannelTroubles(self.listener, lost_after_s=5.0, clipped_share=0.01)
        self.now = 100.0

    def hear(self, samples: np.ndarray = NOISE, seconds: int = 1, break_before: Break | None = None) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.listener.channel.feed(AudioBlock(samples, 16_000, break_before), self.now, self.now)

    def look(self, scored: int = 0, *, ready: bool = True) -> dict[AlarmKind, str | None]:
        return dict(self.troubles.look(self.now, scored, ready=ready))


def test_sound_that_is_scored_is_no_trouble() -> None:
    fan = Fan()
    fan.hear(seconds=10)
    assert fan.look(scored=1) == dict.fromkeys(
        (AlarmKind.SOURCE, AlarmKind.UNSCORED, AlarmKind.SILENT, AlarmKind.CLIPPED, AlarmKind.STALLED)
    )


def test_of_a_channel_without_sound_nothing_can_be_told() -> None:
    fan = Fan()
    assert fan.look() == {}
    fan.hear()
    fan.now += 5.1
    assert fan.look() == {}


def test_a_dead_input_and_one_that_is_too_loud_are_told() -> None:
    fan = Fan()
    fan.hear(np.zeros((16_000, 1), np.float32))
    assert fan.look()[AlarmKind.SILENT] == "the sound is quieter than -90 dBFS, as only that of a dead input is"
    fan.hear(np.ones((16_000, 1), np.float32))
    assert fan.look()[AlarmKind.CLIPPED] == "1 % of the samples or more are clipped: the input is too loud"


def test_sound_in_pieces_too_short_for_a_window_is_stalled() -> None:
    fan = Fan()
    for _ in range(30):
        fan.hear(break_before=Break.GAP)
        assert fan.look()[AlarmKind.STALLED] is not None
    fan.hear(seconds=10)
    assert fan.look()[AlarmKind.STALLED] is None


def test_windows_that_nobody_scores_are_told_with_what_is_missing() -> None:
    fan = Fan()
    fan.hear(seconds=11)
    assert fan.look()[AlarmKind.UNSCORED] == "windows become complete, but none is scored"
    assert fan.look(ready=False)[AlarmKind.UNSCORED] == "there is nothing to score against"
    assert fan.look(scored=1)[AlarmKind.UNSCORED] is None
    fan.hear()
    assert fan.look(scored=1)[AlarmKind.UNSCORED] is not None
    fan.hear()
    assert fan.look(scored=2)[AlarmKind.UNSCORED] is None


def test_of_recordings_read_as_fast_as_possible_only_scoring_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    fan = Fan()
    monkeypatch.setattr(MqttSource, "paced", False)
    fan.hear(np.zeros((16_000, 1), np.float32), seconds=11)
    assert [kind for kind, trouble in fan.look().items() if trouble is not None] == [AlarmKind.UNSCORED]
    monkeypatch.setattr(MqttSource, "state", SourceState.ENDED)
    assert fan.look() == {}


def test_an_engine_that_leaves_windows_out_or_drops_them_is_overloaded() -> None:
    node = NodeTroubles({"fan-1": 1.0, "fan-2": 0.5}, free_min_mb=0.0)
    assert node.look({"fan-1": Shedding(1.0), "fan-2": Shedding(0.5)}, None)[AlarmKind.OVERLOAD] is None
    wide = {"fan-1": Shedding(1.0), "fan-2": Shedding(1.0)}
    assert node.look(wide, None)[AlarmKind.OVERLOAD] == "the engine cannot keep up: windows are left out"
    dropping = {"fan-1": Shedding(1.0, windows_dropped=3)}
    assert node.look(dropping, None)[AlarmKind.OVERLOAD] is not None
    assert node.look(dropping, None)[AlarmKind.OVERLOAD] is None, "no more than before"


def test_a_disk_is_nearly_full_until_there_is_clearly_more_room() -> None:
    node = NodeTroubles({}, free_min_mb=500.0)
    told = "less than 500 MB are free on the disk of the store"
    assert node.look({}, 499 * MB)[AlarmKind.DISK] == told
    assert AlarmKind.DISK not in node.look({}, 550 * MB)
    assert node.look({}, 600 * MB)[AlarmKind.DISK] is None
    assert AlarmKind.DISK not in node.look({}, None)
    assert NodeTroubles({}, free_min_mb=0.0).look({}, 0)[AlarmKind.DISK] is None


def test_a_store_that_takes_nothing_is_told_whatever_room_there_seems_to_be() -> None:
    node = NodeTroubles({}, free_min_mb=0.0)
    told = node.look({}, 10_000 * MB, "the database is read-only")[AlarmKind.DISK]
    assert told == "alarms cannot be stored: the database is read-only"
    assert node.look({}, None, "the database is read-only")[AlarmKind.DISK] == told
