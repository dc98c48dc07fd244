"""A plausible fleet without engines: every message as a daemon would send it, and a stand-in that answers commands.

`FakeFleet(now).messages()` is what a broker has kept and what comes live; feed it to a `Fleet`, or have a `FakeDaemon`
publish it to a real broker.
"""

import base64
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import soundfile

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.payloads import utc_text

SITE, NODE = "plant-1", "press-hall"
KEY = f"{SITE}/{NODE}"
AWAY = "plant-1/paint-shop"
CLIP = "01JD5Z8QK3W4X5Y6Z7A8B9C0D1"
EVENT = "01JD5Z8QK3W4X5Y6Z7A8B9C0"
RATE = 16_000
THRESHOLD = 0.2


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes to the broker."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True)
class FakeChannel:
    """How a channel is: `score` around which it scores, and the parts of its messages that are not as usual."""

    channel: str
    machine_type: str
    score: float = 0.12
    threshold: float | None = THRESHOLD
    health: tuple[tuple[str, Any], ...] = ()


CHANNELS = (
    FakeChannel("fan-1", "fan"),
    FakeChannel("pump-1", "pump", score=0.31, health=(("alarm", "active"),)),
    FakeChannel("gearbox-1", "gearbox", score=0.27, health=(("alarm", "active"),)),
    FakeChannel("valve-1", "valve", threshold=None, health=(("alarm", "unknown"), ("windows_scored", 0))),
    FakeChannel("conveyor-1", "conveyor", score=0.23),
    FakeChannel("mill-1", "mill", health=(("state", "waiting"), ("problem", "the device is not plugged in"))),
)
EVIDENCE = {
    "nearest": {"label": "reference/01JD5Z8QK3W4X5Y6Z7A8B9C0D2", "kind": "reference", "distance": 0.31},
    "compared_with": "reference/01JD5Z8QK3W4X5Y6Z7A8B9C0D2",
    "bands": [{"low_hz": 3200.0, "high_hz": 3800.0, "change_db": 14.2}],
    "repetition_hz": 14.0,
    "sentence": "new energy around 3.2-3.8 kHz, 14 times a second",
}


def status(node: str, now: float, state: str = "online", birth_seq: int = 1) -> Message:
    """The presence of a node."""
    content = {"schema": "asd.status/1", "state": state, "boot_id": "01JD5Z0000000000000000000A", "version": "1.2.3"}
    return _message(f"asd/v1/{node}/status", {**content, "birth_seq": birth_seq, "ts": utc_text(now)})


def info(node: str, now: float, channels: tuple[FakeChannel, ...]) -> Message:
    """What a node is."""
    listed = [
        {"id": one.channel, "machine": one.channel, "machine_type": one.machine_type, "source": "mqtt", "hop_s": 1.0}
        for one in channels
    ]
    content = {"schema": "asd.info/1", "ts": utc_text(now), "boot_id": "01JD5Z0000000000000000000A", "version": "1.2.3"}
    bundle = {"name": "default", "sha256": "0" * 64}
    return _message(f"asd/v1/{node}/info", {**content, "bundle": bundle, "channels": listed})


def health(node: str, now: float, channel: FakeChannel, **changes: object) -> Message:
    """How a channel's sound is."""
    content: dict[str, object] = {
        "schema": "asd.health/1",
        "ts": utc_text(now),
        "channel": channel.channel,
        "machine": channel.channel,
        "state": "live",
        "alarm": "none",
        "problem": None,
        "last_frame_age_s": 0.1,
        "level_dbfs": -31.5,
        "silent": False,
        "clipping": 0.0,
        "windows_scored": 300,
        "hop_s": 1.0,
        **dict.fromkeys(("gaps", "dropped", "rejected", "nan_samples"), 0),
        **dict.fromkeys(("hop_widened", "windows_shed", "windows_dropped"), 0),
        **dict(channel.health),
        **changes,
    }
    return _message(f"asd/v1/{node}/channel/{channel.channel}/health", content)


def score(node: str, now: float, channel: FakeChannel, value: float | None = None, **changes: object) -> Message:
    """The score of a window that ended at `now`; without `value` it wanders around the channel's own."""
    value = channel.score * (1.0 + 0.06 * math.sin(now / 7.0)) if value is None else value
    content: dict[str, object] = {
        "schema": "asd.score/1",
        "ts": utc_text(now),
        "channel": channel.channel,
        "machine": channel.channel,
        "index": int(now) % 100_000,
        "started_at": utc_text(now - 10.0),
        "ended_at": utc_text(now),
        "score": value,
        "calibrated": None if channel.threshold is None else value / channel.threshold,
        "threshold": channel.threshold,
        "anomalous": channel.threshold is not None and value > channel.threshold,
        "nearest": [{"branch": "audiomae", "label": "source/3", "distance": value}],
        "latency_ms": 41.0,
        "latency": {"queue_s": 0.01, "compute_s": 0.02, "total_s": 0.04},
        **changes,
    }
    return _message(f"asd/v1/{node}/channel/{channel.channel}/score", content, retain=False)


def alarm(now: float, channel: str, kind: str = "anomaly", **changes: object) -> dict[str, Any]:
    """An alarm that stands, as `asd.alarm/1` has it."""
    moments = ("cleared_at", "acknowledged_at", "shelved_until", "out_of_service_at")
    flags = ("latched", "suppressed", "acknowledged", "shelved", "shelved_once", "out_of_service")
    return {
        "schema": "asd.alarm/1",
        "alarm_id": f"{channel}.{kind}" if channel else kind,
        "occurrence": CLIP,
        "kind": kind,
        "channel": channel,
        "machine": channel,
        "active": True,
        "raised_at": utc_text(now - 300.0),
        "updated_at": utc_text(now - 60.0),
        "score": 0.31,
        "peak_score": 0.36,
        "threshold": THRESHOLD,
        "windows": 290,
        "reason": f"{channel or 'the box'} does not sound as it should",
        "condition": "abnormal",
        "severity": 720,
        "priority": "high",
        "acknowledge_needed": False,
        **dict.fromkeys((*moments, "acknowledged_by", "shelved_by", "out_of_service_by")),
        **dict.fromkeys(flags, False),
        "clip": CLIP if kind == "anomaly" else None,
        "evidence": EVIDENCE if kind == "anomaly" else None,
        **changes,
    }


def alarm_state(node: str, state: dict[str, Any]) -> Message:
    """The retained message of an alarm."""
    return _message(f"asd/v1/{node}/alarm/{state['alarm_id']}/state", state)


def event(
    node: str, now: float, number: int, transition: str, state: dict[str, Any], actor: str | None = None
) -> Message:
    """One transition; `number` makes its id."""
    content = {
        "schema": "asd.event/1",
        "event_id": f"{EVENT}{number:02d}",
        "transition": transition,
        "ts": utc_text(now),
        "boot_id": "01JD5Z0000000000000000000A",
        "actor": actor,
        "note": None,
        "alarm": state,
    }
    return _message(f"asd/v1/{node}/event/alarm", content, retain=False)


def flac(part: str = "alarm", seconds: float = 12.0) -> bytes:
    """A humming machine; the alarm's sound has beeps at 3.5 kHz besides, 14 times a second."""
    times = np.arange(int(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 50.0 * harmonic * times) / harmonic for harmonic in (1, 2, 3, 4))
    sound = 0.1 * hum + 0.005 * np.random.default_rng(0).standard_normal(times.size)
    if part == "alarm":
        sound = sound + 0.2 * np.sin(2 * np.pi * 3500.0 * times) * (np.sin(2 * np.pi * 14.0 * times) > 0.8)
    file = io.BytesIO()
    soundfile.write(file, sound.astype(np.float32), RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


class FakeFleet:
    """Two nodes at `now`, UTC seconds: a press hall with machines in every state, and a paint shop that is away."""

    def __init__(self, now: float) -> None:
        self.now = now
        seen = {"acknowledged": True, "acknowledged_by": "ann", "acknowledged_at": utc_text(now - 30.0)}
        aside = {"shelved": True, "shelved_by": "ben", "shelved_until": utc_text(now + 3600.0), "priority": "medium"}
        away = {"reason": "the device is not plugged in", "priority": "low", "severity": 200}
        self.alarms: dict[str, dict[str, Any]] = {
            state["alarm_id"]: state
            for state in (
                alarm(now, "pump-1"),
                alarm(now, "gearbox-1", clip=None, **seen),
                alarm(now, "conveyor-1", **aside),
                alarm(now, "mill-1", "source", **away),
            )
        }

    def kept(self) -> Iterator[Message]:
        """What a broker has kept."""
        yield status(KEY, self.now - 5000.0)
        yield info(KEY, self.now - 5000.0, CHANNELS)
        for channel in CHANNELS:
            yield health(KEY, self.now, channel)
        for state in self.alarms.values():
            yield alarm_state(KEY, state)
        away = (FakeChannel("sprayer-1", "pump"),)
        yield status(AWAY, self.now - 900.0, "offline")
        yield info(AWAY, self.now - 90_000.0, away)
        yield health(AWAY, self.now - 900.0, away[0])

    def scores(self, now: float) -> Iterator[Message]:
        """One of each channel that hears something."""
        for channel in CHANNELS:
            if channel.channel != "mill-1":
                yield score(KEY, now, channel)

    def events(self) -> Iterator[Message]:
        """What has happened."""
        for number, state in enumerate(self.alarms.values(), start=1):
            yield event(KEY, self.now - 300.0 + number, number, "raised", state)
        yield event(KEY, self.now - 30.0, 10, "acknowledged", self.alarms["gearbox-1.anomaly"], "ann")

    def messages(self, past_s: float = 0.0) -> Iterator[tuple[Message, float]]:
        """All of it with the time at which it comes: the kept ones, then scores of the past, then events."""
        begun = self.now - past_s
        for message in self.kept():
            yield message, begun
        for second in range(int(past_s) + 1):
            for message in self.scores(begun + second):
                yield message, begun + second
        for message in (*self.events(), *self.kept()):
            yield message, self.now


class FakeDaemon:
    """Publishes the fleet to a real broker and answers commands for the press hall; a context manager.

    `commands` are those that came: verb, actor and args. `tell_scores` sends one score of each channel.
    """

    def __init__(self, broker: Broker, now: float) -> None:
        self.fleet = FakeFleet(now)
        self.commands: list[tuple[str, str, dict[str, Any]]] = []
        self._events = 20
        self._client = MqttClient(broker, "fake-daemon")
        self._client.subscribe(f"asd/v1/{KEY}/cmd/+", self._asked, qos=1)

    def __enter__(self) -> Self:
        self._client.start()
        assert self._client.wait_connected(10.0), self._client.problem
        for message in self.fleet.kept():
            self.publish(message)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop()

    def publish(self, message: Message) -> None:
        """Send one message, of whatever kind."""
        self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)

    def tell_scores(self, now: float) -> None:
        """One score of each channel."""
        for message in self.fleet.scores(now):
            self.publish(message)

    def _asked(self, topic: str, payload: bytes) -> None:
        verb, command = topic.rsplit("/", 1)[1], json.loads(payload)
        self.commands.append((verb, command["actor"], command["args"]))
        error, data = self._done(verb, command["actor"], command["args"])
        reply = {
            "schema": "asd.reply/1",
            "ts": utc_text(self.fleet.now),
            "transaction": command["transaction"],
            "status": "ok" if error is None else "refused",
            "error": error,
            "data": data,
        }
        self.publish(_message(f"asd/v1/{KEY}/reply/{command['transaction']}", reply, retain=False))

    def _done(self, verb: str, actor: str, args: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
        if verb == "clip":
            return self._clip(args["clip"], args["part"])
        if verb == "enroll":
            made = {"label": "reference/01JD5Z8QK3W4X5Y6Z7A8B9C0D3", "seconds": args["seconds"], "windows": 5}
            return None, {**made, "channel": args["machine"], "references": 11}
        state = self.fleet.alarms.get(args["alarm_id"])
        if state is None:
            return "there is no such alarm", None
        now = self.fleet.now
        match verb:
            case "ack":
                transition = "acknowledged"
                state = {**state, "acknowledged": True, "acknowledged_by": actor, "acknowledged_at": utc_text(now)}
            case "shelve":
                transition = "shelved"
                until = utc_text(now + args["seconds"])
                state = {**state, "shelved": True, "shelved_by": actor, "shelved_until": until}
            case "unshelve":
                transition = "unshelved"
                state = {**state, "shelved": False, "shelved_by": None, "shelved_until": None}
            case _:
                return f"{verb} makes no sense now", None
        self.fleet.alarms[args["alarm_id"]] = state
        self._events += 1
        self.publish(event(KEY, now, self._events, transition, state, actor))
        self.publish(alarm_state(KEY, state))
        return None, state

    def _clip(self, clip: str, part: str) -> tuple[str | None, dict[str, Any] | None]:
        if clip != CLIP:
            return "there is no such clip", None
        sound = base64.b64encode(flac(part)).decode()
        label = "pump-1" if part == "alarm" else EVIDENCE["nearest"]["label"]
        data = {"clip": clip, "part": part, "audio_format": "flac", "audio_base64": sound, "label": label}
        return None, {**data, "started": utc_text(self.fleet.now - 305.0), "sentence": EVIDENCE["sentence"]}


def _message(topic: str, content: dict[str, object], retain: bool = True) -> Message:
    return Message(topic, json.dumps(content).encode(), retain)
