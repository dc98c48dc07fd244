"""The dashboard as it runs: its own process or threads, a real broker, a stand-in for the daemon."""

import base64
import io
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificates
from fake_fleet import CLIP, KEY, FakeDaemon
from mosquitto_broker import MosquittoBroker, free_port
from processes import ENVIRONMENT, asdstream_here, wait_until

from asdstream.config import WebSection, load_dashboard
from asdstream.mqtt.broker import Broker
from asdstream.web import packages
from asdstream.web.dashboard import Dashboard
from asdstream.web.users import read_users
from asdstream.web.web_server import WebServerError

OWN = {"X-Requested-With": "asdstream", "Content-Type": "application/json"}


def opened(address: str, path: str, body: bytes | None = None, context: ssl.SSLContext | None = None) -> HTTPResponse:
    request = urllib.request.Request(address + path, body, OWN)  # noqa: S310
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=20, context=context)  # noqa: S310
    return answer


def get(address: str, path: str) -> Any:
    with opened(address, path) as answer:
        return json.load(answer)


def command(address: str, verb: str, **args: object) -> Any:
    body = json.dumps({"node": KEY, "verb": verb, "args": args}).encode()
    with opened(address, "api/command", body) as answer:
        return json.load(answer)


def states(address: str) -> dict[str, str]:
    machines = get(address, "api/fleet")["machines"]
    return {one["channel"]: one["state"] for machine in machines for one in machine["channels"]}


class Page:
    """A browser that listens for events."""

    def __init__(self, address: str) -> None:
        self._answer = opened(address, "events")
        self.events: list[tuple[str, Any]] = []
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        name = ""
        for raw in self._answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                self.events.append((name, json.loads(line.removeprefix("data: "))))
        self.ended.set()

    def told(self, name: str) -> list[Any]:
        return [data for event, data in list(self.events) if event == name]


@pytest.fixture
def served(mosquitto: MosquittoBroker) -> Iterator[str]:
    dashboard = Dashboard(WebSection(port=free_port()), Broker(mosquitto.host, mosquitto.port))
    yield dashboard.start()
    dashboard.stop()
    assert not dashboard.alive


def test_a_fleet_is_seen_acted_upon_and_heard_through_a_real_broker(mosquitto: MosquittoBroker, served: str) -> None:
    first, second = Page(served), Page(served)
    with FakeDaemon(Broker(mosquitto.host, mosquitto.port), time.time()) as daemon:
        assert wait_until(lambda: states(served).get("pump-1") == "alarm")
        assert states(served)["fan-1"] == "normal"
        daemon.tell_scores(time.time())
        assert wait_until(lambda: any(one["channel"] == "fan-1" for one in first.told("score")))

        done = command(served, "ack", alarm_id="pump-1.anomaly")
        assert (done["status"], done["data"]["acknowledged_by"]) == ("ok", "local")
        assert daemon.commands[-1] == ("ack", "local", {"alarm_id": "pump-1.anomaly"})
        for page in (first, second):
            assert wait_until(lambda page=page: bool(page.told("alarm")))
            assert page.told("alarm")[0]["transition"] == "acknowledged"
            assert wait_until(
                lambda page=page: any(
                    one["alarm_id"] == "pump-1.anomaly" and one["acknowledged"]
                    for one in page.told("fleet")[-1]["alarms"]
                ),
            )
        assert states(served)["pump-1"] == "acknowledged"
        assert get(served, "api/history?transition=acknowledged")["events"][0]["actor"] == "local"

        refused = command(served, "reset", alarm_id="pump-1.anomaly")
        assert (refused["status"], refused["error"]) == ("refused", "reset makes no sense now")

        picture = get(served, f"api/clip/{CLIP}?node={KEY}")
        assert picture["difference"]["mel"]
        with opened(served, f"api/clip/{CLIP}/reference.flac?node={KEY}") as answer:
            assert answer.headers["Content-Type"] == "audio/flac"
            assert answer.read(4) == b"fLaC"
        assert [args["part"] for verb, _, args in daemon.commands if verb == "clip"] == ["alarm", "reference"]

    mosquitto.stop()
    assert wait_until(lambda: set(states(served).values()) == {"unknown"})
    broker = get(served, "api/fleet")["broker"]
    assert not broker["connected"]
    assert broker["problem"]
    assert wait_until(lambda: not first.told("fleet")[-1]["broker"]["connected"])


@pytest.mark.alone
def test_sigterm_ends_the_program_within_two_seconds_though_a_page_is_open(
    mosquitto: MosquittoBroker, tmp_path: Path
) -> None:
    port = free_port()
    config = tmp_path / "fleet.toml"
    config.write_text(f'[mqtt]\nport = {mosquitto.port}\n[web]\nport = {port}\n[log]\nformat = "json"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "asdstream", "dashboard", "-c", str(config)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        # It may have said something else before.
        said = (json.loads(line) for line in process.stderr if line.startswith("{"))
        page = Page(next(line["address"] for line in said if line["event"] == "dashboard_served"))
        assert wait_until(lambda: bool(page.told("fleet")))
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 2.0
        assert page.ended.wait(1.0)
    finally:
        process.kill()
        process.wait()


def test_without_a_broker_the_page_is_served_and_says_why_nothing_is_known() -> None:
    port = free_port()
    dashboard = Dashboard(WebSection(port=free_port()), Broker("127.0.0.1", port))
    address = dashboard.start()
    try:
        assert wait_until(
            lambda: get(address, "api/fleet")["broker"]["problem"] == f"no broker listens at 127.0.0.1:{port}",
        )
    finally:
        dashboard.stop()


def test_it_is_served_over_tls_with_a_certificate(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    section = WebSection(port=free_port(), cert_file=made.crt("broker"), key_file=made.key("broker"))
    dashboard = Dashboard(section, Broker("127.0.0.1", free_port()))
    address = dashboard.start()
    try:
        assert address.startswith("https://")
        context = ssl.create_default_context(cafile=str(made.crt("ca")))
        with opened(address, "api/fleet", context=context) as answer:
            assert answer.headers["Strict-Transport-Security"]
    finally:
        dashboard.stop()


def test_an_address_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        dashboard = Dashboard(WebSection(port=port), Broker("127.0.0.1", free_port()))
        with pytest.raises(WebServerError, match=rf"cannot be served at 127\.0\.0\.1:{port}: address already in use"):
            dashboard.start()


def test_a_certificate_that_is_none_is_said_in_one_sentence(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("none")
    section = WebSection(port=free_port(), cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    with pytest.raises(WebServerError, match=r"^web\.cert_file and web\.key_file: .* no certificate with its key"):
        Dashboard(section, Broker("127.0.0.1", free_port())).start()


def dashboard_of(path: Path, text: str, *options: object) -> tuple[int, str]:
    """Exit code of `asdstream dashboard` and what it said, with a configuration of `text`; for those that fail."""
    (path / "fleet.toml").write_text(text)
    done = asdstream_here("dashboard", "-c", path / "fleet.toml", *options)
    return done.returncode, done.stderr.removeprefix("asdstream: ").rstrip("\n")


def test_the_configuration_of_a_daemon_serves_as_it_is_and_its_own_parts_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text('bundle = "/nowhere"\n[mqtt]\nport = 1884\n[store]\npath = "x"\n[[channels]]\nid = "a"\n')
    assert load_dashboard(path).mqtt.port == 1884
    assert load_dashboard(path).web.port == 8300
    path.write_text("[mqtt]\nport = 1884\n")
    assert load_dashboard(path).web.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[web]\nhost = "0.0.0.0"\n',
            ":2: web.host: can be reached from other machines, so it needs users_file or token_file beside it",
        ),
        ('[web]\ncert_file = "c"\n', "no file at"),
        ("[web]\nports = 1\n", ":2: web.ports: unknown key; did you mean port?"),
        ("[wed]\nport = 1\n", ":1: wed: unknown key; known here: mqtt, web, log"),
        ('[web]\nmqtt_password_file = "fleet.toml"\n', "needs mqtt_username beside it"),
        ('[web]\nusers_file = "fleet.toml"\n', "fleet.toml:1: no user"),
        ('[web]\ntoken_file = "short"\n', "the token should have at least 16 characters"),
    ],
)
def test_a_configuration_that_cannot_be_is_said_in_one_line(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "short").write_text("secret\n")
    code, said = dashboard_of(tmp_path, text)
    assert code == 78
    assert sentence in said
    assert "\n" not in said


def test_an_address_that_others_reach_is_refused_without_a_login(tmp_path: Path) -> None:
    code, said = dashboard_of(tmp_path, "", "--host", "0.0.0.0")  # noqa: S104
    assert code == 78
    assert said == (
        "--host 0.0.0.0 can be reached from other machines, so the configuration needs web.users_file or web.token_file"
    )


def test_the_command_for_a_new_user_prints_a_line_that_lets_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    done = asdstream_here("dashboard", "--new-user", "ann")
    assert done.returncode == 0, done.stderr
    (tmp_path / "users").write_text(done.stdout)
    assert read_users(tmp_path / "users").fits("ann", "correct horse")
    assert base64.b64encode(b"correct horse").decode() not in done.stdout


def test_where_the_packages_of_the_page_are_missing_one_sentence_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    done = asdstream_here("dashboard")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'asdstream[dashboard]'" in done.stderr
