"""What the health message of a channel says."""

import json
from dataclasses import replace

import numpy as np
from alarm_state import silent_alarm

from asdstream.alarms.event import Act, AlarmState, Condition
from asdstream.audio.block import AudioBlock
from asdstream.audio.capture import Listener
from asdstream.audio.channel import Channel
from asdstream.audio.mqtt import MqttSource
from asdstream.engine.overload import Shedding
from asdstream.health import Counted, channel_health

ALARM = silent_alarm()


def health(
    shedding: Shedding | None, uncalibrated: str | None = None, alarm: AlarmState = ALARM, scored: int = 7
) -> dict[str, object]:
    source = MqttSource("wav", 1_000_000, channel="fan-1")
    listener = Listener(source, Channel("fan-1", 1.0))
    listener.channel.feed(AudioBlock(np.full((16_000, 1), 0.1, np.float32), 16_000), now=99.5, utc=1_000.0)
    counted = Counted(listener, "fan", hop_s=1.0, shedding=shedding, dropped=5, scored=scored)
    message = channel_health(counted, now=100.0, utc=1_000.5, uncalibrated=uncalibrated, alarm=alarm)
    told: dict[str, object] = json.loads(message.encode())
    return told


def test_a_channel_that_gives_nothing_way_has_its_configured_hop_and_no_problem() -> None:
    told = health(Shedding(1.0))
    assert (told["hop_s"], told["hop_widened"], told["windows_shed"], told["windows_dropped"]) == (1.0, 0, 0, 0)
    assert told["problem"] is None
    assert told["last_frame_age_s"] == 0.5
    assert health(None)["hop_s"] == 1.0


def test_a_widened_hop_is_told_with_its_counts_and_in_a_sentence() -> None:
    told = health(Shedding(4.0, hop_widened=2, windows_shed=30, windows_dropped=4))
    assert (told["hop_s"], told["hop_widened"], told["windows_shed"], told["windows_dropped"]) == (4.0, 2, 30, 4)
    assert (told["dropped"], told["windows_scored"]) == (5, 7)
    assert told["problem"] == "the engine cannot keep up: a window is scored every 4 s instead of every 1 s"
    assert health(Shedding(4.0), uncalibrated="no threshold")["problem"] == "no threshold"


def test_the_alarm_about_the_sound_is_told_unless_it_is_kept_quiet() -> None:
    assert health(None)["alarm"] == "none"
    standing = replace(ALARM, active=True)
    assert health(None, alarm=standing)["alarm"] == "active"
    assert health(None, alarm=replace(standing, condition=Condition.UNKNOWN))["alarm"] == "active"
    assert health(None, alarm=replace(standing, out_of_service=Act("ann", 1.0)))["alarm"] == "none"


def test_a_machine_that_nobody_hears_or_can_judge_is_not_said_to_be_well() -> None:
    assert health(None, alarm=replace(ALARM, condition=Condition.UNKNOWN))["alarm"] == "unknown"
    assert health(None, scored=0)["alarm"] == "unknown"
    assert health(None, uncalibrated="no threshold")["alarm"] == "unknown"
