"""Home Assistant is told of the box, and told again, and of what is no more."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jinja2.sandbox
import pytest
from mosquitto_broker import MosquittoBroker
from structlog.testing import capture_logs

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.home_assistant import RESEND_AFTER_S, HomeAssistant
from asdstream.mqtt.topics import Topics

TOPICS = Topics("plant", "line-1")
CONFIG = "homeassistant/device/asdstream-plant-line-1/config"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def announcer(
    broker: Broker, *channels: str, prefix: str = "homeassistant", clock: Callable[[], float] = time.monotonic
) -> tuple[MqttClient, HomeAssistant]:
    client = MqttClient(broker, "daemon")
    home_assistant = HomeAssistant(
        client,
        TOPICS,
        identity="asdstream-plant-line-1",
        version="1.2.3",
        channels=channels,
        prefix=prefix,
        clock=clock,
    )
    return client, home_assistant


def message(*channels: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(announcer(Broker("127.0.0.1"), *channels)[1].announcement())
    return found


def rendered(template: str, payload: str) -> str:
    """As Home Assistant does it: `value_json` is there only where the payload is JSON."""
    values: dict[str, object] = {"value": payload}
    if payload:
        values["value_json"] = json.loads(payload)
    return jinja2.sandbox.ImmutableSandboxedEnvironment().from_string(template).render(values)


@contextmanager
def running(client: MqttClient) -> Iterator[MqttClient]:
    client.start()
    try:
        assert client.wait_connected(30), client.problem
        yield client
    finally:
        client.stop()


@contextmanager
def home(broker: MosquittoBroker, topic: str = CONFIG) -> Iterator[tuple[MqttClient, list[dict[str, Any]]]]:
    """Somebody who listens as Home Assistant does."""
    heard: list[dict[str, Any]] = []
    client = MqttClient(Broker(broker.host, broker.port), "home")
    client.subscribe(topic, lambda _topic, payload: heard.append(json.loads(payload)), qos=1)
    with running(client):
        yield client, heard


def test_one_message_describes_the_device_and_the_entities_of_every_channel() -> None:
    told = message("fan-1", "pump")
    assert told["device"]["identifiers"] == ["asdstream-plant-line-1"]
    assert told["origin"] == {"name": "asdstream", "sw_version": "1.2.3"}
    assert {name: component["platform"] for name, component in told["components"].items()} == {
        f"{channel}_{kind}": platform
        for channel in ("fan-1", "pump")
        for kind, platform in {
            "score": "sensor",
            "calibrated": "sensor",
            "alarm": "binary_sensor",
            "sound": "binary_sensor",
        }.items()
    }
    components = told["components"].values()
    assert len({component["unique_id"] for component in components}) == 8
    assert told["components"]["fan-1_alarm"]["device_class"] == "problem"
    assert told["components"]["fan-1_sound"]["device_class"] == "connectivity"
    topics = {component["state_topic"] for component in components}
    assert topics == {make(channel) for make in (TOPICS.score, TOPICS.health) for channel in ("fan-1", "pump")}


@pytest.mark.parametrize("state", ["online", "offline"])
def test_the_device_is_as_available_as_the_status_says(state: str) -> None:
    (availability,) = message("pump")["availability"]
    assert availability["topic"] == TOPICS.status
    assert rendered(availability["value_template"], json.dumps({"state": state})) == state


@pytest.mark.parametrize(("alarm", "reads"), [("active", "ON"), ("none", "OFF"), ("unknown", "None")])
def test_a_machine_of_which_nothing_is_known_does_not_read_as_well(alarm: str, reads: str) -> None:
    component = message("pump")["components"]["pump_alarm"]
    assert rendered(component["value_template"], json.dumps({"alarm": alarm})) == reads


@pytest.mark.parametrize(("state", "reads"), [("live", "ON"), ("waiting", "OFF"), ("ended", "OFF")])
def test_sound_is_connected_while_it_comes(state: str, reads: str) -> None:
    component = message("pump")["components"]["pump_sound"]
    assert rendered(component["value_template"], json.dumps({"state": state})) == reads


def test_scores_are_read_and_expire() -> None:
    components = message("pump")["components"]
    payload = json.dumps({"score": 0.25, "calibrated": None})
    assert rendered(components["pump_score"]["value_template"], payload) == "0.25"
    assert rendered(components["pump_calibrated"]["value_template"], payload) == "None", "which reads as unknown"
    assert components["pump_score"]["expire_after"] == components["pump_calibrated"]["expire_after"] == 120


def test_an_alarm_that_is_taken_off_the_broker_leaves_no_attributes() -> None:
    component = message("pump")["components"]["pump_alarm"]
    assert component["json_attributes_topic"] == TOPICS.alarm_state("pump.anomaly")
    assert rendered(component["json_attributes_template"], "") == "{}"
    assert rendered(component["json_attributes_template"], '{"severity": 1}') == '{"severity": 1}'


def test_home_assistant_hears_of_the_box_whenever_it_comes(mosquitto: MosquittoBroker) -> None:
    client, home_assistant = announcer(Broker(mosquitto.host, mosquitto.port), "pump")
    home_assistant.attach()
    with running(client), home(mosquitto) as (_, heard):
        until(lambda: heard == [message("pump")])


def test_it_is_told_again_when_it_has_started_but_not_at_every_shout(mosquitto: MosquittoBroker) -> None:
    clock = Clock()
    client, home_assistant = announcer(Broker(mosquitto.host, mosquitto.port), "pump", clock=clock)
    home_assistant.attach()
    with home(mosquitto) as (listener, heard), running(client):
        until(lambda: len(heard) == 1)
        seen: list[bytes] = []
        client.subscribe("done", lambda _topic, payload: seen.append(payload), qos=1)

        def shout(word: bytes) -> None:
            """Once "done" has come back, the word before it has been dealt with."""
            listener.publish_wait("homeassistant/status", word)
            listener.publish_wait("done", word)
            until(lambda: seen[-1:] == [word])

        shout(b"online")
        clock.now += RESEND_AFTER_S
        shout(b"offline")
        assert len(heard) == 1
        listener.publish_wait("homeassistant/status", b"online")
        until(lambda: len(heard) == 2)
        assert heard[1] == heard[0]


def test_the_prefix_can_be_another(mosquitto: MosquittoBroker) -> None:
    client, home_assistant = announcer(Broker(mosquitto.host, mosquitto.port), "pump", prefix="ha/discovery")
    home_assistant.attach()
    with running(client), home(mosquitto, "ha/discovery/device/+/config") as (_, heard):
        until(lambda: heard == [message("pump")])


def test_a_channel_that_is_no_longer_configured_is_taken_back(mosquitto: MosquittoBroker) -> None:
    broker = Broker(mosquitto.host, mosquitto.port)
    before, announced = announcer(broker, "fan-1", "pump")
    announced.attach()
    with home(mosquitto) as (_, heard):
        with running(before):
            until(lambda: len(heard) == 1)
        after, announced = announcer(broker, "pump")
        announced.attach()
        with running(after):
            until(lambda: len(heard) == 4)
            time.sleep(0.1)
    gone = {
        "fan-1_score": {"platform": "sensor"},
        "fan-1_calibrated": {"platform": "sensor"},
        "fan-1_alarm": {"platform": "binary_sensor"},
        "fan-1_sound": {"platform": "binary_sensor"},
    }
    assert heard == [
        message("fan-1", "pump"),
        message("pump"),
        message("pump") | {"components": message("pump")["components"] | gone},
        message("pump"),
    ]


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[]", b"{}", b'{"components": 3}', b'{"components": {"x": 1}}', b"[" * 100_000]
)
def test_what_a_stranger_leaves_on_our_topic_ends_nothing(mosquitto: MosquittoBroker, payload: bytes) -> None:
    client, home_assistant = announcer(Broker(mosquitto.host, mosquitto.port), "pump")
    home_assistant.attach()
    stranger = MqttClient(Broker(mosquitto.host, mosquitto.port), "stranger")
    with running(stranger):
        assert stranger.publish_wait(CONFIG, payload, retain=True)
        with running(client), home(mosquitto) as (_, heard):
            until(lambda: message("pump") in heard)
            assert client.rejected == 0


def test_a_broker_that_does_not_let_us_is_named(mosquitto_with: Callable[..., MosquittoBroker], tmp_path: Any) -> None:
    (tmp_path / "acl").write_text("topic readwrite asd/#\n")
    broker = mosquitto_with(f"acl_file {tmp_path}/acl")
    broker.start()
    client, home_assistant = announcer(replace(Broker(broker.host, broker.port), protocol="5"), "pump")
    home_assistant.attach()
    with capture_logs() as lines, running(client):
        until(lambda: any(line["event"] == "home_assistant_not_told" for line in lines))
    assert {line["problem"] for line in lines if line["event"] == "home_assistant_not_told"} == {
        f"the broker does not let us publish on {CONFIG}"
    }
