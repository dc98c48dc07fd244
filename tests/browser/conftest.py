"""A real browser, the real dashboard, a real broker, and a daemon that is played."""

import base64
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, expect, sync_playwright
from processes import wait_until
from ulid import ULID

from asdstream.config import WebSection
from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.payloads import AlarmPayload, HealthPayload, InfoPayload, ScorePayload, StatusPayload, utc_text
from asdstream.mqtt.topics import Topics
from asdstream.web.dashboard import Dashboard

CHROMIUM = Path("/usr/bin/chromium")
THRESHOLD = 0.2
PATIENCE_MS = 15_000
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 320, "height": 640}
expect.set_options(timeout=PATIENCE_MS)


class FakeDaemon:
    """Says over MQTT what a daemon says, and obeys commands, or refuses them with the sentence in `refuse`.

    `commands` are those that came, with their verbs.
    """

    def __init__(self, broker: MosquittoBroker, machines: tuple[str, ...], node: str = "line-1") -> None:
        self.topics = Topics("plant", node)
        self.machines = machines
        self.alarms: dict[str, dict[str, Any]] = {}
        self.sounds = {"alarm": flac(3000.0), "reference": flac(500.0)}
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.refuse: str | None = None
        self._client = MqttClient(Broker(broker.host, broker.port), f"fake-{node}")
        self._client.subscribe(f"{self.topics.root}/cmd/+", self._obey, qos=1)
        self._client.start()
        assert self._client.wait_connected(10.0)

    def begin(self) -> None:
        """Be there, with every machine heard and normal."""
        now = utc_text(time.time())
        status = StatusPayload(state="online", boot_id=str(ULID()), birth_seq=1, ts=now, version="1.0")
        info = InfoPayload.model_validate(
            {
                "ts": now,
                "boot_id": status.boot_id,
                "version": "1.0",
                "bundle": {"name": "default", "sha256": "0" * 64},
                "channels": [
                    {"id": one, "machine": one, "machine_type": one.split("-")[0], "source": "microphone", "hop_s": 1.0}
                    for one in self.machines
                ],
            }
        )
        self._say(self.topics.status, status.encode(), retain=True)
        self._say(self.topics.info, info.encode(), retain=True)
        for machine in self.machines:
            self.health(machine)
            self.score(machine, 0.5 * THRESHOLD)

    def health(self, machine: str, **different: object) -> None:
        """A health message; `different` fields are other than those of a channel where all is well."""
        values: dict[str, Any] = {
            "ts": utc_text(time.time()),
            "channel": machine,
            "machine": machine,
            "state": "live",
            "alarm": "none",
            "problem": None,
            "last_frame_age_s": 0.1,
            "level_dbfs": -31.0,
            "silent": False,
            "clipping": 0.0,
            "windows_scored": 100,
            "hop_s": 1.0,
            **dict.fromkeys(("gaps", "dropped", "rejected", "nan_samples"), 0),
            **dict.fromkeys(("hop_widened", "windows_shed", "windows_dropped"), 0),
            **different,
        }
        self._say(self.topics.health(machine), HealthPayload.model_validate(values).encode(), retain=True)

    def score(self, machine: str, score: float, threshold: float | None = THRESHOLD) -> None:
        """One window."""
        now = utc_text(time.time())
        payload = ScorePayload.model_validate(
            {
                **dict.fromkeys(("ts", "started_at", "ended_at"), now),
                **dict.fromkeys(("channel", "machine"), machine),
                "index": 1,
                "score": score,
                "calibrated": None if threshold is None else score / threshold,
                "threshold": threshold,
                "anomalous": threshold is not None and score > threshold,
                "nearest": [],
                "latency_ms": 20.0,
                "latency": {"queue_s": 0.0, "compute_s": 0.02, "total_s": 0.02},
            }
        )
        self._say(self.topics.score(machine), payload.encode(), qos=0)

    def raise_alarm(self, machine: str, kind: str = "anomaly", **different: object) -> dict[str, Any]:
        """An alarm of `machine`, with a clip and its evidence."""
        now, occurrence = utc_text(time.time()), str(ULID())
        heard = kind == "anomaly"
        alarm: dict[str, Any] = {
            "schema": "asd.alarm/1",
            "alarm_id": f"{machine}.{kind}",
            "occurrence": occurrence,
            "kind": kind,
            "channel": machine,
            "machine": machine,
            "active": True,
            "raised_at": now,
            "updated_at": now,
            "cleared_at": None,
            "score": 0.31 if heard else None,
            "peak_score": 0.34 if heard else None,
            "threshold": THRESHOLD if heard else None,
            "windows": 4 if heard else 0,
            "reason": "score 0.340 over the threshold 0.200 in 4 of 6 windows" if heard else "no sound for 12 s",
            "condition": "abnormal",
            "severity": 700,
            "priority": "high",
            "acknowledge_needed": True,
            **dict.fromkeys(
                ("latched", "suppressed", "acknowledged", "shelved", "shelved_once", "out_of_service"), False
            ),
            **dict.fromkeys(("acknowledged_at", "acknowledged_by", "shelved_until", "shelved_by")),
            **dict.fromkeys(("out_of_service_at", "out_of_service_by")),
            "clip": occurrence if heard else None,
            "evidence": EVIDENCE if heard else None,
            **different,
        }
        AlarmPayload.model_validate(alarm)
        self.alarms[alarm["alarm_id"]] = alarm
        self._tell(alarm["alarm_id"], "raised")
        return alarm

    def change(self, alarm_id: str, transition: str, actor: str | None = None, **changes: object) -> dict[str, Any]:
        """Something happens to an alarm."""
        alarm = self.alarms[alarm_id]
        alarm.update(changes, updated_at=utc_text(time.time()))
        self._tell(alarm_id, transition, actor)
        return alarm

    def clear(self, alarm_id: str) -> None:
        """The alarm is over and of no more interest."""
        self.change(alarm_id, "cleared", active=False, condition="normal", cleared_at=utc_text(time.time()))
        self._say(self.topics.alarm_state(alarm_id), b"", retain=True)

    def leave(self) -> None:
        """Say goodbye."""
        away = StatusPayload(state="offline", boot_id="1", birth_seq=1, ts=utc_text(time.time()), version="1.0")
        self._say(self.topics.status, away.encode(), retain=True)

    def stop(self) -> None:
        self._client.stop()

    def asked(self, verb: str) -> list[dict[str, Any]]:
        """The commands of that verb that came."""
        return [command for name, command in self.commands if name == verb]

    def _tell(self, alarm_id: str, transition: str, actor: str | None = None) -> None:
        alarm = self.alarms[alarm_id]
        self._say(self.topics.alarm_state(alarm_id), json.dumps(alarm).encode(), retain=True)
        event = {
            "schema": "asd.event/1",
            "event_id": str(ULID()),
            "transition": transition,
            "ts": utc_text(time.time()),
            "boot_id": "1",
            "actor": actor,
            "note": None,
            "alarm": alarm,
        }
        self._say(self.topics.alarm_event, json.dumps(event).encode())

    def _obey(self, topic: str, payload: bytes) -> None:
        verb, command = topic.rpartition("/")[2], json.loads(payload)
        self.commands.append((verb, command))
        data = None if self.refuse else self._done(verb, command["args"], command["actor"])
        reply = {
            "schema": "asd.reply/1",
            "ts": utc_text(time.time()),
            "transaction": command["transaction"],
            "status": "refused" if self.refuse else "ok",
            "error": self.refuse,
            "data": data,
        }
        self._say(self.topics.reply(command["transaction"]), json.dumps(reply).encode())

    def _done(self, verb: str, args: dict[str, Any], actor: str) -> dict[str, Any]:
        match verb:
            case "ack":
                now = utc_text(time.time())
                return self.change(
                    args["alarm_id"],
                    "acknowledged",
                    actor,
                    acknowledged=True,
                    acknowledged_at=now,
                    acknowledged_by=actor,
                )
            case "shelve":
                until = utc_text(time.time() + args["seconds"])
                return self.change(
                    args["alarm_id"], "shelved", actor, shelved=True, shelved_until=until, shelved_by=actor
                )
            case "unshelve":
                return self.change(
                    args["alarm_id"], "unshelved", actor, shelved=False, shelved_until=None, shelved_by=None
                )
            case "enroll":
                return {"references": 11}
            case "clip":
                return {
                    **args,
                    "audio_format": "flac",
                    "audio_base64": base64.b64encode(self.sounds[args["part"]]).decode(),
                    "started": utc_text(time.time() - 20.0) if args["part"] == "alarm" else None,
                    "label": "reference/3" if args["part"] == "reference" else None,
                    "sentence": EVIDENCE["sentence"],
                }
            case _:
                raise ValueError(verb)

    def _say(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain)


EVIDENCE: dict[str, Any] = {
    "nearest": {"label": "reference/3", "kind": "reference", "distance": 0.31},
    "compared_with": "reference/3",
    "bands": [
        {"low_hz": 2800.0, "high_hz": 3200.0, "change_db": 30.2},
        {"low_hz": 400.0, "high_hz": 600.0, "change_db": -12.0},
    ],
    "repetition_hz": 4.0,
    "sentence": "New energy around 2.8-3.2 kHz, 4 times a second.",
}


def flac(hertz: float, seconds: float = 3.0) -> bytes:
    """A beating tone in noise, as a FLAC file."""
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    tone = 0.2 * np.sin(2 * np.pi * hertz * time_s) * (np.sin(2 * np.pi * 4.0 * time_s) > 0)
    noise = 0.003 * np.random.default_rng(1).standard_normal(len(time_s))
    return encoded(tone + noise)


def encoded(samples: "np.typing.NDArray[np.floating[Any]]") -> bytes:
    """Samples (n,) at 16 kHz as a FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; it ends with this folder's tests, since no other event loop can run beside it."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def machines() -> tuple[str, ...]:
    """What the daemon listens to; tests may override it."""
    return ("fan-1", "gearbox-1", "pump-1")


@pytest.fixture
def daemon(mosquitto: MosquittoBroker, address: str, machines: tuple[str, ...]) -> Iterator[FakeDaemon]:
    """A node with some machines, all normal; the dashboard is there before it, as the broker keeps no scores."""
    played = FakeDaemon(mosquitto, machines)
    played.begin()
    yield played
    played.stop()


@pytest.fixture
def serve(mosquitto: MosquittoBroker) -> Iterator[Callable[..., str]]:
    """Starts the dashboard, with settings of [web] where they matter; its address."""
    with ExitStack() as running:

        def start(**settings: object) -> str:
            section = WebSection.model_validate({"history": None, **settings}).served_at(None, 0)
            shown = Dashboard(section, Broker(mosquitto.host, mosquitto.port))
            running.callback(shown.stop)
            served_at = shown.start()
            assert wait_until(lambda: shown.watch.snapshot()["broker"]["connected"])
            return served_at

        yield start


@pytest.fixture
def address(serve: Callable[..., str]) -> str:
    """The address of a dashboard that needs no login."""
    return serve()


class Visitor:
    """One browser of its own; `complaints` is what its console said of what went wrong, `asked` what it fetched."""

    def __init__(self, context: BrowserContext, address: str, *, clock: bool = False) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_request)
        if clock:
            self.page.clock.install()
        self.page.goto(address)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.asked.append(request.url)


Visit = Callable[..., Visitor]
Answer = Callable[[Route], None]


@pytest.fixture
def visit(chromium: Browser, address: str) -> Iterator[Visit]:
    """Opens the dashboard in a browser of its own; options are those of a Playwright context.

    With `clock` a test may move its clock; `hour` answers in place of the server when past scores are asked for.
    """
    contexts: list[BrowserContext] = []

    def open_page(url: str = address, *, clock: bool = False, hour: Answer | None = None, **options: Any) -> Visitor:
        options = {"viewport": DESKTOP, "reduced_motion": "reduce", "locale": "en-GB", **options}
        contexts.append(chromium.new_context(**options))
        if hour is not None:
            contexts[-1].route("**/api/scores?*", hour)
        return Visitor(contexts[-1], url, clock=clock)

    yield open_page
    for context in contexts:
        with suppress(Exception):
            context.close()


@pytest.fixture
def page(daemon: FakeDaemon, visit: Visit) -> Page:
    """The dashboard on a desk, its machines there."""
    shown = visit().page
    shown.locator(".tile").nth(len(daemon.machines) - 1).wait_for()
    return shown
