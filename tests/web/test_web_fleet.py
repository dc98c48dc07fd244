import json
from typing import Any

import pytest
from fake_fleet import (
    AWAY,
    CHANNELS,
    CLIP,
    KEY,
    FakeChannel,
    FakeFleet,
    Message,
    alarm,
    alarm_state,
    event,
    health,
    info,
    score,
    status,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from asdstream.web import fleet as fleet_room
from asdstream.web.channel_state import HEALTH_STALE_S, SCORE_STALE_S
from asdstream.web.fleet import SETTLE_S, EventNews, Fleet, ScoreNews
from asdstream.web.topic_address import LARGEST_BYTES, Address, read_topic

NOW = 1_750_000_000.0
FAN = CHANNELS[0]
TOPIC = f"asd/v1/{KEY}"


def told(*messages: Message, now: float = NOW) -> Fleet:
    """A fleet that has heard `messages` at `now`."""
    fleet = Fleet()
    fleet.connected(now)
    for message in messages:
        fleet.hear(message.topic, message.payload, now)
    return fleet


def well(now: float = NOW) -> tuple[Message, ...]:
    """All that makes the fan a machine that is well."""
    return status(KEY, now), info(KEY, now, (FAN,)), health(KEY, now, FAN), score(KEY, now, FAN)


def shown(fleet: Fleet, now: float = NOW, channel: str = "fan-1") -> dict[str, Any]:
    for machine in fleet.snapshot(now)["machines"]:
        for one in machine["channels"]:
            if one["channel"] == channel:
                return one
    raise AssertionError(f"{channel} is not shown")


def changed(message: Message, **changes: object) -> Message:
    return Message(message.topic, json.dumps({**json.loads(message.payload), **changes}).encode())


def test_every_machine_of_a_fleet_is_shown_as_it_is() -> None:
    fleet = told(*(message for message, _ in FakeFleet(NOW).messages()))
    snapshot = fleet.snapshot(NOW)
    states = {one["channel"]: one["state"] for machine in snapshot["machines"] for one in machine["channels"]}
    assert states == {
        "fan-1": "normal",
        "pump-1": "alarm",
        "gearbox-1": "acknowledged",
        "valve-1": "learning",
        "conveyor-1": "shelved",
        "mill-1": "trouble",
        "sprayer-1": "offline",
    }
    assert {node["node"]: node["state"] for node in snapshot["nodes"]} == {KEY: "online", AWAY: "offline"}
    assert {one["alarm_id"]: one["node"] for one in snapshot["alarms"]}["pump-1.anomaly"] == KEY
    assert snapshot["machines"][1]["machine_type"] == "fan"
    assert shown(fleet, channel="pump-1")["alarm_id"] == "pump-1.anomaly"
    assert (fleet.refused, snapshot["left_out"]) == (0, 0)


def test_channels_of_one_machine_stand_together() -> None:
    content = json.loads(info(KEY, NOW, CHANNELS[:2]).payload)
    for channel in content["channels"]:
        channel["machine"] = "press"
    fleet = told(status(KEY, NOW), Message(f"{TOPIC}/info", json.dumps(content).encode()))
    (machine,) = fleet.snapshot(NOW)["machines"]
    assert machine["machine"] == "press"
    assert [one["channel"] for one in machine["channels"]] == ["fan-1", "pump-1"]


def test_a_machine_is_normal_only_while_it_is_heard_to_be() -> None:
    fleet = told(*well())
    assert shown(fleet)["state"] == "normal"
    late = NOW + HEALTH_STALE_S + 1.0
    assert shown(fleet, late) == {
        **shown(fleet),
        "state": "stale",
        "problem": "nothing was heard of this channel for 36 s",
    }
    fleet.hear(f"{TOPIC}/channel/fan-1/health", health(KEY, NOW + 60.0, FAN).payload, NOW + SCORE_STALE_S + 1.0)
    assert shown(fleet, NOW + SCORE_STALE_S + 1.0)["problem"] == "no score for 61 s"


@pytest.mark.parametrize(
    ("changes", "state", "problem"),
    [
        ({"alarm": "active"}, "alarm", None),
        ({"alarm": "unknown"}, "unknown", "nobody can tell yet how it sounds"),
        ({"alarm": "unknown", "windows_scored": 0}, "learning", "nobody can tell yet how it sounds"),
        (
            {"commissioning": {"state": "learning", "done": 0.25, "listen_s": 7200.0, "report": None}},
            "learning",
            "it learns how the machine sounds: 25% are done",
        ),
        (
            {"commissioning": {"state": "learning", "done": 0.8, "listen_s": 9.0, "report": None, "problem": "few"}},
            "learning",
            "it learns how the machine sounds: 80% are done; few",
        ),
        ({"state": "waiting"}, "trouble", "no sound comes in"),
        ({"state": "ended"}, "stale", "the recordings are at their end"),
        ({"problem": "the engine cannot keep up"}, "trouble", "the engine cannot keep up"),
    ],
)
def test_what_the_health_says_is_never_normal_unless_all_is_well(
    changes: dict[str, object], state: str, problem: str | None
) -> None:
    found = shown(told(*well(), health(KEY, NOW, FAN, **changes)))
    assert (found["state"], found["problem"]) == (state, problem)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "alarm"),
        ({"acknowledged": True}, "acknowledged"),
        ({"shelved": True}, "shelved"),
        ({"out_of_service": True}, "shelved"),
        ({"shelved": True, "active": False}, "shelved"),
        ({"active": False}, "normal"),
        ({"kind": "silent", "alarm_id": "fan-1.silent"}, "trouble"),
        ({"kind": "silent", "alarm_id": "fan-1.silent", "shelved": True}, "normal"),
    ],
)
def test_an_alarm_decides_what_is_shown_of_its_channel(changes: dict[str, Any], state: str) -> None:
    standing = alarm(NOW, "fan-1", **changes)
    assert shown(told(*well(), alarm_state(KEY, standing)))["state"] == state
    assert shown(told(*well(), alarm_state(KEY, alarm(NOW, "pump-1", **changes))))["state"] == "normal"


def test_an_alarm_that_is_over_is_taken_away() -> None:
    fleet = told(*well(), alarm_state(KEY, alarm(NOW, "fan-1")))
    fleet.hear(f"{TOPIC}/alarm/fan-1.anomaly/state", b"", NOW)
    assert shown(fleet)["state"] == "normal"
    assert fleet.snapshot(NOW)["alarms"] == []


def test_without_the_broker_nothing_is_known_and_alarms_are_still_shown() -> None:
    fleet = told(*(message for message, _ in FakeFleet(NOW).messages()))
    fleet.disconnected()
    snapshot = fleet.snapshot(NOW + 1.0)
    assert {node["state"] for node in snapshot["nodes"]} == {"unknown"}
    assert {one["state"] for machine in snapshot["machines"] for one in machine["channels"]} == {"unknown"}
    assert len(snapshot["alarms"]) == 4


def test_once_the_broker_is_back_only_what_it_still_keeps_is_believed() -> None:
    fleet = told(*well(), alarm_state(KEY, alarm(NOW, "fan-1")), status(AWAY, NOW))
    fleet.disconnected()
    back = NOW + 100.0
    fleet.connected(back)
    assert shown(fleet, back)["state"] == "unknown", "nothing has come yet"
    for message in well(back)[:3]:
        fleet.hear(message.topic, message.payload, back)
    assert shown(fleet, back)["state"] == "normal", "the alarm had gone meanwhile"
    assert [node["node"] for node in fleet.snapshot(back)["nodes"]] == [AWAY, KEY]
    assert [node["node"] for node in fleet.snapshot(back + SETTLE_S)["nodes"]] == [KEY]
    assert fleet.scores(KEY, "fan-1", back)["points"], "scores of before are still scores"


def test_a_last_will_that_comes_after_the_next_birth_is_not_believed() -> None:
    fleet = told(*well(), status(KEY, NOW, birth_seq=7), status(KEY, NOW - 50.0, "offline", birth_seq=6))
    assert shown(fleet)["state"] == "normal"
    fleet.hear(f"{TOPIC}/status", status(KEY, NOW + 1.0, "offline", birth_seq=7).payload, NOW)
    assert shown(fleet)["state"] == "offline"
    # Its store was lost, and it counts anew.
    fleet.hear(f"{TOPIC}/status", status(KEY, NOW + 9.0, "online", birth_seq=1).payload, NOW)
    assert shown(fleet)["state"] == "normal"


def test_a_channel_that_is_no_longer_configured_is_gone() -> None:
    fleet = told(status(KEY, NOW), info(KEY, NOW, CHANNELS), *(health(KEY, NOW, one) for one in CHANNELS))
    fleet.hear(f"{TOPIC}/info", info(KEY, NOW, (FAN,)).payload, NOW)
    fleet.hear(f"{TOPIC}/channel/pump-1/health", health(KEY, NOW, CHANNELS[1]).payload, NOW)
    assert [machine["machine"] for machine in fleet.snapshot(NOW)["machines"]] == ["fan-1"]


def test_a_node_that_is_wiped_from_the_broker_is_gone() -> None:
    fleet = told(*well())
    fleet.hear(f"{TOPIC}/status", b"", NOW)
    assert fleet.snapshot(NOW)["nodes"] == []


def test_scores_and_events_are_news() -> None:
    fleet = told(*well())
    heard = score(KEY, NOW, FAN, 0.25)
    assert fleet.hear(heard.topic, heard.payload, NOW) == ScoreNews(KEY, "fan-1", 0.25, 0.2, NOW)
    happened = event(KEY, NOW, 1, "raised", alarm(NOW, "fan-1"))
    news = fleet.hear(happened.topic, happened.payload, NOW)
    assert isinstance(news, EventNews)
    assert (news.event["node"], news.event["transition"], news.event["alarm"]["channel"]) == (KEY, "raised", "fan-1")
    assert fleet.hear(f"{TOPIC}/status", status(KEY, NOW).payload, NOW) is None


def test_a_score_that_is_no_number_is_shown_as_none_and_drawn_nowhere() -> None:
    fleet = told(*well()[:3])
    fleet.hear(f"{TOPIC}/channel/fan-1/score", score(KEY, NOW, FAN, float("nan")).payload, NOW)
    assert shown(fleet)["score"] is None
    assert fleet.scores(KEY, "fan-1", NOW) == {"channel": "fan-1", "threshold": 0.2, "points": []}


def test_a_clip_leads_to_its_alarm() -> None:
    fleet = told(*well(), alarm_state(KEY, alarm(NOW, "fan-1")))
    found = fleet.alarm_of_clip(KEY, CLIP)
    assert found is not None
    assert found["alarm_id"] == "fan-1.anomaly"
    assert fleet.alarm_of_clip(KEY, "01JD5Z8QK3W4X5Y6Z7A8B9C0ZZ") is None
    assert fleet.alarm_of_clip(AWAY, CLIP) is None


HOSTILE_TOPICS = [
    "asd/v1/../etc/status",
    "asd/v1/plant-1/<script>alert(1)</script>/status",
    "asd/v1/plant-1/press-hall/channel/../../x/health",
    "asd/v1/plant-1/press-hall/channel/%2e%2e/health",
    "asd/v1/plant-1/press-hall/alarm/fan-1.anomaly/state/more",
    f"asd/v1/plant-1/{'x' * 65}/status",
    "asd/v1/plant-1/press-hall/channel/fan-1/audio",
    "asd/v1/plant-1/PRESS/status",
    "asd/v1/plant-1/press-hall/status\n",
    "homeassistant/device/x/config",
    "",
]


@pytest.mark.parametrize("topic", HOSTILE_TOPICS)
def test_topics_that_no_daemon_would_publish_on_are_about_nothing(topic: str) -> None:
    assert read_topic(topic) is None
    fleet = told(Message(topic, status(KEY, NOW).payload))
    assert fleet.snapshot(NOW)["nodes"] == []


def test_topics_are_read() -> None:
    assert read_topic(f"{TOPIC}/info") == Address(KEY, "info")
    assert read_topic(f"{TOPIC}/event/alarm") == Address(KEY, "event")
    assert read_topic(f"{TOPIC}/alarm/fan-1.anomaly/state") == Address(KEY, "alarm", "fan-1.anomaly")
    assert read_topic(f"{TOPIC}/reply/01ABC") == Address(KEY, "reply", "01ABC")
    assert not any("audio" in below for below in LARGEST_BYTES)


HOSTILE = {
    "not JSON": Message(f"{TOPIC}/status", b"\xff\xfe{"),
    "nested": Message(f"{TOPIC}/status", b"[" * 4000),
    "another type": Message(f"{TOPIC}/status", b'{"state": {"online": 1}}'),
    "endless number": changed(status(KEY, NOW), birth_seq="x"),
    "before time": changed(status(KEY, NOW), ts="0001-01-01T00:00:00+23:59"),
    "no zone": changed(status(KEY, NOW), ts="2026-01-01T00:00:00"),
    "markup for a channel": info(KEY, NOW, (FakeChannel("<img src=x onerror=alert(1)>", "fan"),)),
    "a path for a channel": info(KEY, NOW, (FakeChannel("../../etc/passwd", "fan"),)),
    "a machine type of many letters": info(KEY, NOW, (FakeChannel("fan-1", "f" * 5000),)),
    "score of another": changed(score(KEY, NOW, FAN), channel="pump-1"),
    "health of another": changed(health(KEY, NOW, FAN), channel="pump-1"),
    "markup for a machine": changed(health(KEY, NOW, FAN), machine="<script>"),
    "alarm of another": Message(f"{TOPIC}/alarm/other/state", json.dumps(alarm(NOW, "fan-1")).encode()),
    "alarm of a path": alarm_state(KEY, {**alarm(NOW, "fan-1"), "channel": "../x"}),
    "huge count": alarm_state(KEY, alarm(NOW, "fan-1", windows=10**300)),
    "event named with a path": changed(event(KEY, NOW, 1, "raised", alarm(NOW, "fan-1")), event_id="../../x"),
    "event of an alarm that cannot be": event(KEY, NOW, 1, "raised", alarm(NOW, "fan-1", alarm_id="<b>")),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_change_nothing_and_are_counted(message: Message) -> None:
    fleet = told(*well())
    before = fleet.snapshot(NOW)
    assert fleet.hear(message.topic, message.payload, NOW) is None
    assert fleet.snapshot(NOW) == before
    assert fleet.refused == 1


def test_texts_are_cut_and_rid_of_control_characters_but_left_as_they_are() -> None:
    reason = "\x1b[31m<script>alert(1)</script>\u202egnp\n" + "x" * 10_000
    fleet = told(*well(), alarm_state(KEY, alarm(NOW, "fan-1", reason=reason, acknowledged_by="\x00ann")))
    (standing,) = fleet.snapshot(NOW)["alarms"]
    assert standing["reason"].startswith("[31m<script>alert(1)</script>gnp x")
    assert len(standing["reason"]) == 500
    assert standing["acknowledged_by"] == "ann"
    assert shown(fleet)["problem"] == standing["reason"]


def test_an_alarm_is_shown_though_its_clip_is_named_oddly() -> None:
    fleet = told(*well(), alarm_state(KEY, alarm(NOW, "fan-1", clip="../../../etc/passwd")))
    (standing,) = fleet.snapshot(NOW)["alarms"]
    assert standing.get("clip") is None
    assert shown(fleet)["state"] == "alarm"


def test_there_is_an_end_to_nodes_channels_and_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_room, "MOST_NODES", 3)
    monkeypatch.setattr(fleet_room, "MOST_CHANNELS", 5)
    monkeypatch.setattr(fleet_room, "MOST_CHANNELS_OF_A_NODE", 2)
    monkeypatch.setattr(fleet_room, "MOST_ALARMS", 4)
    fleet = told()
    for number in range(9):
        node = f"plant/node-{number}"
        channels = tuple(FakeChannel(f"c{index}", "fan") for index in range(4))
        for channel in channels:
            for message in (status(node, NOW), health(node, NOW, channel), score(node, NOW, channel)):
                fleet.hear(message.topic, message.payload, NOW)
            fleet.hear(*_parts(alarm_state(node, alarm(NOW, channel.channel))), NOW)
        fleet.hear(*_parts(info(node, NOW, channels)), NOW)
    snapshot = fleet.snapshot(NOW)
    assert len(snapshot["nodes"]) == 3
    assert all(len(machine["channels"]) == 1 for machine in snapshot["machines"])
    assert len(snapshot["machines"]) == 6
    assert len(snapshot["alarms"]) == 4
    assert snapshot["left_out"] > 0
    assert len(fleet._traces) <= 5


def _parts(message: Message) -> tuple[str, bytes]:
    return message.topic, message.payload


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
VALID = (*well(), alarm_state(KEY, alarm(NOW, "fan-1")), event(KEY, NOW, 1, "raised", alarm(NOW, "fan-1")))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_whatever_stands_in_a_message_the_fleet_can_still_be_shown(message: Message, data: st.DataObject) -> None:
    content = json.loads(message.payload)
    for key in data.draw(st.lists(st.sampled_from(sorted(content)), max_size=3)):
        content[key] = data.draw(JSON)
    fleet = told(*well())
    fleet.hear(message.topic, json.dumps(content).encode(), NOW)
    assert len(json.dumps(fleet.snapshot(NOW), allow_nan=False)) < 100_000
