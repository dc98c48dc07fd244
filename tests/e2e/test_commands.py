"""Commands to a running daemon, through a real broker."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from mosquitto_broker import MosquittoBroker, find_program
from processes import DaemonProcess, Subscriber, wait_until
from small_bundle import strange_sound

ROOT = "asd/v1/plant/line-1"


class Line:
    """A broker, a daemon with one fan that sounds wrong, and a stranger who sends commands."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.broker = MosquittoBroker(folder)
        self.broker.start()
        self.config = folder / "asdstream.toml"
        recordings = folder / "recordings"
        recordings.mkdir()
        soundfile.write(recordings / "strange.wav", strange_sound(20, seed=102), 16_000, subtype="PCM_16")
        self.config.write_text(
            f"""
bundle = "{bundle}"
[site]
name = "plant"
node = "line-1"
[mqtt]
port = {self.broker.port}
[engine]
threads = 1
[store]
path = "state.db"
[alarms]
k = 3
n = 5
source_lost_after_s = 1.0
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = {{ kind = "file", path = "{recordings}", loop = true }}
[[channels]]
id = "quiet"
machine = "quiet"
machine_type = "fan"
source = {{ kind = "mqtt" }}
"""
        )
        self.subscriber = Subscriber(self.broker)
        self.daemon = DaemonProcess(self.config)
        assert wait_until(lambda: bool(self.subscriber.seen("/info")), 60), "".join(self.daemon.lines)

    def send(self, verb: str, payload: bytes, *more: str) -> None:
        subprocess.run(
            [
                *(find_program("mosquitto_pub"), "-p", str(self.broker.port), "-q", "1"),
                *("-t", f"{ROOT}/cmd/{verb}", "-s", *more),
            ],
            input=payload,
            check=True,
        )

    def ask(self, transaction: str, verb: str, **args: object) -> dict[str, Any]:
        """Send a command; its answer."""
        command = {"transaction": transaction, "actor": "ann", "args": args}
        self.send(verb, json.dumps(command).encode())
        return self.answer(transaction)

    def answer(self, transaction: str, nth: int = 0, timeout_s: float = 30.0) -> dict[str, Any]:
        assert wait_until(lambda: len(self.subscriber.seen(f"/reply/{transaction}")) > nth, timeout_s), transaction
        return self.subscriber.seen(f"/reply/{transaction}")[nth]

    def stop(self) -> None:
        self.daemon.kill()
        self.subscriber.stop()
        self.broker.stop(kill=True)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Line]:
    made = Line(tmp_path_factory.mktemp("line"), small_bundle)
    yield made
    made.stop()


def test_an_alarm_is_shelved_acknowledged_and_taken_out_of_service_by_command(line: Line) -> None:
    alarm = "quiet.source"
    assert wait_until(lambda: bool(line.subscriber.seen(f"alarm/{alarm}/state")), 30)
    acknowledged = line.ask("a1", "ack", alarm_id=alarm)
    assert (acknowledged["status"], acknowledged["schema"]) == ("ok", "asd.reply/1")
    assert acknowledged["data"]["acknowledged_by"] == "ann"
    again = line.ask("a2", "ack", alarm_id=alarm)
    assert (again["status"], again["data"]) == ("refused", None)
    assert "is acknowledged already, by ann" in again["error"]
    assert line.ask("a3", "shelve", alarm_id=alarm, seconds=60)["data"]["shelved"]
    assert not line.ask("a4", "unshelve", alarm_id=alarm)["data"]["shelved"]
    assert line.ask("a5", "out_of_service", alarm_id=alarm)["data"]["out_of_service_by"] == "ann"
    assert not line.ask("a6", "in_service", alarm_id=alarm)["data"]["out_of_service"]
    assert "it is not latched" in line.ask("a7", "reset", alarm_id=alarm)["error"]
    standing = line.ask("a8", "alarms")["data"]["alarms"]
    assert alarm in {state["alarm_id"] for state in standing}
    done = [event["transition"] for event in line.subscriber.seen("event/alarm") if event["actor"] == "ann"]
    assert done == ["acknowledged", "shelved", "unshelved", "out_of_service", "in_service"]


def test_a_message_that_comes_twice_is_carried_out_once_and_answered_twice(line: Line) -> None:
    command = {"transaction": "twice", "actor": "bob", "args": {"alarm_id": "quiet.source", "seconds": 60}}
    line.send("shelve", json.dumps(command).encode())
    first = line.answer("twice")
    line.send("shelve", json.dumps(command).encode())
    assert line.answer("twice", 1) == first
    assert len([event for event in line.subscriber.seen("event/alarm") if event["actor"] == "bob"]) == 1


def test_what_is_no_command_is_refused_or_counted_and_the_daemon_lives_on(line: Line) -> None:
    assert "there is no such command" in line.ask("b1", "explode")["error"]
    assert "args.alarm_id is missing" in line.ask("b2", "ack")["error"]
    assert "there is no alarm" in line.ask("b3", "ack", alarm_id="../../etc")["error"]
    for payload in (b"{", b"null", b"[1]", b'{"transaction": "a/b"}', b"x" * 100_000):
        line.send("ack", payload)
    assert line.ask("b4", "alarms")["status"] == "ok"
    assert line.daemon.said("command_discarded")


def test_a_command_that_the_broker_has_kept_from_before_is_not_carried_out(line: Line) -> None:
    command = {"transaction": "kept", "actor": "eve", "args": {"alarm_id": "disk"}}
    line.broker.stop()
    line.broker.start()
    line.send("out_of_service", json.dumps(command).encode(), "-r")
    subscriber = Subscriber(line.broker)
    try:
        line.daemon.wait_for("mqtt_retained_message_ignored")
        assert not subscriber.seen("/reply/kept")
    finally:
        subscriber.stop()
