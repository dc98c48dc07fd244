"""Commands to a running daemon, through a real broker."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mosquitto_broker import MosquittoBroker, find_program
from processes import DaemonProcess, Subscriber, asdstream_here, wait_until

ROOT = "asd/v1/plant/line-1"


class Line:
    """A broker, a daemon with a fan unlike the one that its bundle knows and an input without sound, and a stranger."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.broker = MosquittoBroker(folder)
        self.broker.start()
        self.config = folder / "asdstream.toml"
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
source = {{ kind = "simulator", identity = 7, realtime = false }}
[[channels]]
id = "quiet"
machine = "quiet"
machine_type = "fan"
source = {{ kind = "mqtt" }}
"""
        )
        self.subscriber = Subscriber(self.broker)
        self.daemon = DaemonProcess(self.config)
        assert wait_until(lambda: bool(self.subscriber.seen("/info"))), "".join(self.daemon.lines)

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

    def run(self, *arguments: str, config: Path | None = None, fails: bool = False) -> str:
        """What a command of asdstream says, here in this process, which has it loaded already."""
        done = asdstream_here(*arguments, "-c", config or self.config)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

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
    assert wait_until(lambda: bool(line.subscriber.seen(f"alarm/{alarm}/state")))
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


def test_live_sound_that_raises_the_alarm_is_a_reference_only_when_forced(line: Line) -> None:
    assert wait_until(lambda: bool(line.subscriber.seen("fan-1/score")))
    refused = line.ask("e1", "enroll", machine="fan-1", seconds=10)
    assert refused["status"] == "refused", refused
    assert "the sound of fan-1 would itself raise the alarm" in refused["error"]
    assert not line.daemon.said("references_taken_up")
    made = json.loads(line.run("enroll", "fan-1", "--live", "10s", "--force", "--json", "--actor", "ann"))
    assert (made["channel"], made["seconds"], made["references"], made["revision"]) == ("fan-1", 10.0, 1, 1)
    line.daemon.wait_for("references_taken_up")
    listed = json.loads(line.run("references", "list", "fan-1", "--json"))
    assert [(entry["label"], entry["actor"]) for entry in listed["references"]] == [(made["label"], "ann")]
    assert "fan-1 now has 0 references, revision 2" in line.run("references", "remove", "fan-1", made["label"])
    assert wait_until(lambda: len(line.daemon.said("references_taken_up")) == 2)
    assert "no sound comes in" in line.ask("e2", "enroll", machine="quiet", seconds=10)["error"]
    assert "less than or equal to 600" in line.ask("e3", "enroll", machine="fan-1", seconds=601)["error"]


def test_the_command_line_shows_and_handles_alarms(line: Line) -> None:
    assert "quiet.source stands" in line.run("alarms", "out-of-service", "quiet.source", "--actor", "cleo")
    (alarm,) = [one for one in json.loads(line.run("alarms", "list", "--json")) if one["alarm_id"] == "quiet.source"]
    assert alarm["out_of_service_by"] == "cleo"
    assert "out of service by cleo" in " ".join(line.run("alarms", "list").split())
    assert "out of service" not in line.run("alarms", "in-service", "quiet.source")
    assert "it is in service" in line.run("alarms", "in-service", "quiet.source", fails=True)


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


def test_where_no_daemon_runs_the_command_line_says_so(line: Line) -> None:
    other = line.config.with_name("other.toml")
    other.write_text(line.config.read_text().replace('node = "line-1"', 'node = "line-2"'))
    assert "no daemon answers at asd/v1/plant/line-2" in line.run("alarms", "list", config=other, fails=True)


def test_a_command_that_is_open_when_the_daemon_stops_is_answered(line: Line) -> None:
    command = {"transaction": "open", "actor": "ann", "args": {"machine": "fan-1", "seconds": 600}}
    subscriber = line.subscriber = Subscriber(line.broker)
    assert line.ask("last", "alarms")["status"] == "ok"
    line.send("enroll", json.dumps(command).encode())
    assert line.ask("second", "enroll", machine="fan-1", seconds=10)["status"] == "refused"
    assert line.daemon.stop(signal.SIGTERM)[0] == 0
    answer = line.answer("open")
    assert answer["status"] == "failed"
    assert "the daemon is stopping" in answer["error"]
    assert subscriber.seen("/status")[-1]["state"] == "offline"
