import json
import math
from dataclasses import replace

import pytest
from alarm_state import raised_alarm
from pydantic import ValidationError

from asdstream.alarms.event import Act, AlarmEvent, Condition, Transition
from asdstream.alarms.shelving import Shelving
from asdstream.engine.embedding import WorkTimes
from asdstream.mqtt.alarm_messages import event_messages, state_message
from asdstream.mqtt.payloads import PAYLOADS, EventPayload, HealthPayload, ScorePayload, moment, utc_text
from asdstream.mqtt.topics import TopicError, Topics
from asdstream.scoring.scored_window import Nearest, ScoredWindow

TOPICS = Topics("plant", "line-1")
STATE = raised_alarm(
    alarm_id="pump.anomaly",
    occurrence="01ARZ3NDEKTSV4RRFFQ69G5FAV",
    channel="pump",
    machine="Pump-7",
    raised_at=1_767_225_600.1234,
    updated_at=1_767_225_601.0,
    score=0.4,
    peak_score=0.5,
    threshold=0.3,
    windows=5,
    reason="5 of the latest 8 windows over the threshold",
)
SCORED = ScoredWindow(
    channel="pump",
    machine="Pump-7",
    index=3,
    started_at=0.0,
    ended_at=10.0,
    captured=5.0,
    score=0.4,
    calibrated=1.2,
    threshold=0.3,
    nearest=(Nearest("audiomae", "source/3", 0.4),),
    times=WorkTimes(queued=5.01, taken=5.06, computed=5.18),
    published=5.25,
)


def test_topics_are_those_of_the_contract() -> None:
    assert TOPICS.status == "asd/v1/plant/line-1/status"
    assert TOPICS.info == "asd/v1/plant/line-1/info"
    assert TOPICS.alarm_event == "asd/v1/plant/line-1/event/alarm"
    assert TOPICS.audio("pump") == "asd/v1/plant/line-1/channel/pump/audio"
    assert TOPICS.score("pump") == "asd/v1/plant/line-1/channel/pump/score"
    assert TOPICS.health("pump") == "asd/v1/plant/line-1/channel/pump/health"
    assert TOPICS.alarm_state("pump.anomaly") == "asd/v1/plant/line-1/alarm/pump.anomaly/state"


@pytest.mark.parametrize("name", ["#", "+", "a/b", "a#", "", "A", "a b", "a\x00", "$SYS", "x" * 65, "ü"])
def test_no_wildcard_and_no_stray_level_gets_into_a_topic(name: str) -> None:
    with pytest.raises(TopicError):
        Topics(name, "node")
    with pytest.raises(TopicError):
        Topics("site", name)
    with pytest.raises(TopicError):
        TOPICS.score(name)


def test_times_are_utc_with_milliseconds() -> None:
    assert utc_text(1_767_225_600.1234) == "2026-01-01T00:00:00.123Z"


def test_an_event_tells_the_transition_and_the_alarm() -> None:
    event = AlarmEvent("01ARZ3NDEKTSV4RRFFQ69G5FAW", Transition.RAISED, STATE.raised_at, STATE)
    told, state = event_messages(TOPICS, [event], "BOOT")
    assert (told.topic, told.retain) == (TOPICS.alarm_event, False)
    data = json.loads(told.payload)
    alarm = data.pop("alarm")
    assert data == {
        "schema": "asd.event/1",
        "event_id": "01ARZ3NDEKTSV4RRFFQ69G5FAW",
        "transition": "raised",
        "ts": "2026-01-01T00:00:00.123Z",
        "boot_id": "BOOT",
        "actor": None,
        "note": None,
    }
    assert alarm == json.loads(state.payload)
    assert alarm["schema"] == "asd.alarm/1"
    assert alarm["raised_at"] == "2026-01-01T00:00:00.123Z"
    assert alarm["cleared_at"] is None
    assert (state.topic, state.retain) == ("asd/v1/plant/line-1/alarm/pump.anomaly/state", True)


def test_an_alarm_that_is_over_is_taken_off_the_broker() -> None:
    message = state_message(TOPICS, replace(STATE, active=False))
    assert (message.payload, message.retain) == (b"", True)


def test_the_axes_of_an_alarm_are_told() -> None:
    state = replace(
        STATE,
        condition=Condition.ABNORMAL,
        severity=700,
        latched=True,
        acknowledged=Act("ann", 0.0),
        shelving=Shelving("bob", 1.0, 2.0, one_shot=True),
        out_of_service=Act("cid", 3.0),
    )
    told = json.loads(state_message(TOPICS, state).payload)
    assert (told["condition"], told["severity"], told["priority"]) == ("abnormal", 700, "high")
    assert (told["latched"], told["suppressed"], told["acknowledge_needed"]) == (True, False, False)
    assert (told["acknowledged"], told["acknowledged_by"]) == (True, "ann")
    assert told["acknowledged_at"] == "1970-01-01T00:00:00.000Z"
    assert (told["shelved"], told["shelved_once"], told["shelved_by"]) == (True, True, "bob")
    assert told["shelved_until"] == "1970-01-01T00:00:02.000Z"
    assert (told["out_of_service"], told["out_of_service_by"]) == (True, "cid")
    assert told["out_of_service_at"] == "1970-01-01T00:00:03.000Z"


@pytest.mark.parametrize(
    "kept_by",
    [
        {"shelving": Shelving("bob", 1.0, 2.0)},
        {"out_of_service": Act("cid", 3.0)},
        {"condition": Condition.UNKNOWN},
        {"acknowledge_needed": True},
    ],
)
def test_an_alarm_that_does_not_stand_is_kept_on_the_broker_while_it_is_of_interest(kept_by: dict[str, object]) -> None:
    assert state_message(TOPICS, replace(STATE, active=False)).payload == b""
    assert state_message(TOPICS, replace(STATE, active=False, **kept_by)).payload != b""


def test_what_is_known_of_an_alarm_is_told_without_an_event() -> None:
    (message,) = event_messages(TOPICS, [AlarmEvent("E", Transition.UNKNOWN, 1.0, STATE)], "BOOT")
    assert message.topic == TOPICS.alarm_state("pump.anomaly")


def test_an_event_names_who_caused_it_and_why() -> None:
    event = AlarmEvent("E", Transition.UNSHELVED, 1.0, STATE, actor="ann", note="shelved once, it has cleared")
    data = json.loads(event_messages(TOPICS, [event], "BOOT")[0].payload)
    assert (data["actor"], data["note"]) == ("ann", "shelved once, it has cleared")


def test_a_score_tells_its_window() -> None:
    data = json.loads(ScorePayload.of(SCORED).encode())
    assert data == {
        "schema": "asd.score/1",
        "ts": "1970-01-01T00:00:10.000Z",
        "channel": "pump",
        "machine": "Pump-7",
        "index": 3,
        "started_at": "1970-01-01T00:00:00.000Z",
        "ended_at": "1970-01-01T00:00:10.000Z",
        "score": 0.4,
        "calibrated": 1.2,
        "threshold": 0.3,
        "anomalous": True,
        "nearest": [{"branch": "audiomae", "label": "source/3", "distance": 0.4}],
        "latency_ms": 250.0,
        "latency": {"queue_s": 0.05, "compute_s": 0.12, "total_s": 0.25},
    }


def test_a_window_that_did_not_wait_in_a_queue_has_no_parts_of_latency() -> None:
    data = json.loads(ScorePayload.of(replace(SCORED, times=None, published=None)).encode())
    assert data["latency"] == {"queue_s": None, "compute_s": None, "total_s": None}
    assert data["latency_ms"] is None


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(strange: float) -> None:
    health = HealthPayload(
        ts=moment(0.0),
        channel="pump",
        machine="Pump-7",
        state="waiting",
        alarm="unknown",
        problem=None,
        last_frame_age_s=None,
        level_dbfs=strange,
        silent=True,
        clipping=0.0,
        gaps=0,
        dropped=0,
        rejected=0,
        nan_samples=0,
        windows_scored=0,
        hop_s=1.0,
        hop_widened=0,
        windows_shed=0,
        windows_dropped=0,
    )
    assert json.loads(health.encode(), parse_constant=pytest.fail)["level_dbfs"] is None


def test_a_message_can_be_read_back() -> None:
    event = AlarmEvent("E", Transition.CLEARED, 10.0, STATE)
    payload = EventPayload.of(event, "BOOT")
    read = EventPayload.model_validate_json(payload.encode())
    assert read.ts.timestamp() == 10.0
    assert read.encode() == payload.encode()
    with pytest.raises(ValidationError):
        EventPayload.model_validate_json(b'{"schema": "asd.event/2"}')


def test_every_message_names_its_schema() -> None:
    names = [payload.model_json_schema()["properties"]["schema"]["const"] for payload in PAYLOADS]
    assert names == ["asd.status/1", "asd.info/1", "asd.score/1", "asd.health/1", "asd.alarm/1", "asd.event/1"]
