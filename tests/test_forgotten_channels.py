"""Channels that are no longer configured leave nothing behind, neither here nor at the broker."""

from itertools import count
from pathlib import Path

from listened_pump import LOUD, Pump

from asdstream.alarms.policy import AlarmPolicy
from asdstream.forgotten_channels import retire_forgotten_channels
from asdstream.mqtt.topics import Topics
from asdstream.store.store import Store

TOPICS = Topics("plant", "line")


def test_alarms_and_health_of_a_forgotten_channel_are_taken_back_and_others_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    gone, stays = Pump(AlarmPolicy(k=2, n=3)), Pump(AlarmPolicy(k=2, n=3), channel="fan")
    for one in (gone, stays):
        one.hear(LOUD, LOUD)
        store.commit([one.alarms.snapshot()], [])
    ids = count()
    for _ in range(2):
        retire_forgotten_channels(store, {"fan"}, AlarmPolicy(), TOPICS, "boot", lambda: f"{next(ids)}")
    event, *emptied = (row.message for row in store.outbox_pending(10))
    assert (event.topic, b"cleared" in event.payload) == (TOPICS.alarm_event, True)
    assert [(one.topic, one.payload, one.retain) for one in emptied] == [
        (TOPICS.alarm_state("pump.anomaly"), b"", True),
        (TOPICS.health("pump"), b"", True),
    ]
    assert set(store.snapshots()) == {"fan"}
    store.close()
