"""Commands: read, carried out once, always answered."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from structlog.testing import capture_logs

from asdstream.alarms.command import CommandRefusedError
from asdstream.command_desk import COMMANDS_AT_ONCE, REFUSALS_AT_ONCE, REMEMBERED, CommandDesk, Order
from asdstream.mqtt.commands import MAX_COMMAND_BYTES, Command
from asdstream.mqtt.topics import Topics

ROOT = "asd/v1/plant/line"


class Room:
    """A desk with a clock of its own, a handler that is told what to do, and whatever was answered."""

    def __init__(self) -> None:
        self.now = 0.0
        self.connected = True
        self.taken = True
        self.answers: list[dict[str, Any]] = []
        self.begun: list[Command] = []
        self.outcomes: list[Future[str]] = []
        self.at_once: str | Exception | None = "done"
        self.within_s = 5.0
        topics = Topics("plant", "line")
        handlers = {"ack": self._handle, "shelve": self._handle}
        self.desk = CommandDesk(topics, handlers, self._publish, lambda: self.now, lambda: self.now)

    def _handle(self, command: Command) -> Order:
        self.begun.append(command)
        outcome: Future[str] = Future()
        self.outcomes.append(outcome)
        if isinstance(self.at_once, Exception):
            outcome.set_exception(self.at_once)
        elif self.at_once is not None:
            outcome.set_result(self.at_once)
        return Order(outcome, self.within_s, lambda text: {"said": text})

    def _publish(
        self, topic: str, payload: bytes, *, qos: int, acknowledged: Callable[[bool], None] | None = None
    ) -> bool:
        if not self.connected:
            return False
        answer = json.loads(payload)
        assert topic == f"{ROOT}/reply/{answer['transaction']}"
        assert (answer["schema"], qos) == ("asd.reply/1", 1)
        self.answers.append(answer)
        if acknowledged is not None and self.taken:
            acknowledged(True)
        return True

    def say(self, payload: object, verb: str = "ack") -> None:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.desk.receive(f"{ROOT}/cmd/{verb}", content)

    @property
    def statuses(self) -> list[str]:
        return [answer["status"] for answer in self.answers]


def ack(transaction: str = "t1", **changes: object) -> dict[str, object]:
    return {"transaction": transaction, "actor": "ann", "args": {"alarm_id": "fan-1.anomaly"}} | changes


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_command_is_carried_out_and_answered_under_its_transaction(room: Room) -> None:
    room.say(ack(schema="asd.command/1"))
    assert room.answers == [], "nothing happens on the thread of the network"
    room.desk.step()
    (answer,) = room.answers
    assert (answer["status"], answer["error"], answer["data"]) == ("ok", None, {"said": "done"})
    assert (room.begun[0].verb, room.begun[0].actor) == ("ack", "ann")


def test_the_same_message_again_is_answered_again_and_carried_out_once(room: Room) -> None:
    room.say(ack())
    room.say(ack())
    room.desk.step()
    room.say(ack())
    assert len(room.begun) == 1
    assert room.statuses == ["ok", "ok"]
    assert room.answers[0] == room.answers[1]


def test_another_command_of_the_same_transaction_is_refused(room: Room) -> None:
    room.say(ack())
    room.say(ack(actor="bob"))
    room.desk.step()
    assert sorted(room.statuses) == ["ok", "refused"]
    assert "another command had this transaction" in room.answers[0]["error"]
    assert [command.actor for command in room.begun] == ["ann"]


def test_only_the_latest_answers_are_remembered(room: Room) -> None:
    for i in range(REMEMBERED + 10):
        room.now += 1.0
        room.say(ack(f"t{i}"))
        room.desk.step()
    room.say(ack("t0"))
    room.desk.step()
    room.say(ack(f"t{REMEMBERED}"))
    room.desk.step()
    assert [command.transaction for command in room.begun].count("t0") == 2
    assert [command.transaction for command in room.begun].count(f"t{REMEMBERED}") == 1


@pytest.mark.parametrize(
    ("payload", "verb", "complaint"),
    [
        (ack(args={}), "ack", "args.alarm_id is missing"),
        (ack(args={"alarm_id": "a", "why": 1}), "ack", "args.why is unknown"),
        (ack(args={"alarm_id": 7}), "ack", "args.alarm_id: input should be a valid string"),
        (ack(args={"alarm_id": "a" * 129}), "ack", "at most 128 characters"),
        (ack(args={"alarm_id": "a", "seconds": "60"}), "shelve", "args.seconds: input should be a valid number"),
        (ack(args={"alarm_id": "a", "seconds": -1}), "shelve", "greater than 0"),
        (ack(args=[]), "ack", "args: input should be a valid dictionary"),
        (ack(actor=""), "ack", "actor"),
        (ack(actor="a\nb"), "ack", "actor should be a name of letters"),
        (ack(actor="x" * 65), "ack", "at most 64 characters"),
        (ack(schema="asd.command/2"), "ack", "schema"),
        (ack(color="red"), "ack", "color is unknown"),
        (ack(), "explode", "there is no such command; the verbs are ack, shelve"),
        ({"transaction": "t1"}, "ack", "actor is missing"),
    ],
)
def test_what_is_no_command_is_refused_with_the_reason(room: Room, payload: object, verb: str, complaint: str) -> None:
    room.say(payload, verb)
    assert room.statuses == ["refused"]
    assert complaint in room.answers[0]["error"]
    assert room.begun == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 10_000,
        b"null",
        b"[]",
        b'{"transaction": 5}',
        b'{"transaction": "a/b"}',
        b'{"transaction": "a\\u0000"}',
        b'{"transaction": "t1\\n"}',
        b'{"transaction": "' + b"t" * 65 + b'"}',
        b'{"transaction": "t", "x": NaN}',
        b'{"transaction": "t1"}' + b" " * MAX_COMMAND_BYTES,
    ],
)
def test_what_has_no_transaction_is_counted_and_logged_but_not_without_end(room: Room, payload: bytes) -> None:
    with capture_logs() as logs:
        for _ in range(100):
            room.say(payload)
        room.now += 11.0
        room.say(payload)
    assert room.desk.discarded == 101
    assert [line["event"] for line in logs] == ["command_discarded"] * 2
    assert room.answers == []


def test_more_commands_than_are_taken_in_a_second_are_refused_and_taken_later(room: Room) -> None:
    for i in range(COMMANDS_AT_ONCE + 5):
        room.say(ack(f"t{i}"))
    assert room.statuses == ["refused"] * 5
    assert "too many commands at once; 10 a second are taken" in room.answers[0]["error"]
    room.now += 1.0
    room.say(ack(f"t{COMMANDS_AT_ONCE}"))
    for _ in range(COMMANDS_AT_ONCE + 1):
        room.desk.step()
    assert room.statuses.count("ok") == COMMANDS_AT_ONCE + 1


def test_a_flood_is_not_answered_without_end(room: Room) -> None:
    for i in range(1000):
        room.say(ack(f"t{i}"), "explode")
    assert len(room.answers) == REFUSALS_AT_ONCE
    assert room.desk.discarded == 1000 - REFUSALS_AT_ONCE


def test_commands_beyond_those_that_may_wait_are_refused(room: Room) -> None:
    for i in range(100):
        room.now += 0.2
        room.say(ack(f"t{i}"))
    assert room.statuses[0] == "refused"
    assert "too many commands wait" in room.answers[0]["error"]


def test_a_refusal_and_a_failure_are_told_apart(room: Room) -> None:
    room.at_once = CommandRefusedError("it does not stand")
    room.say(ack("t1"))
    room.desk.step()
    room.at_once = OSError("the disk is gone")
    room.say(ack("t2"))
    room.desk.step()
    assert [(answer["status"], answer["error"]) for answer in room.answers] == [
        ("refused", "it does not stand"),
        ("failed", "the disk is gone"),
    ]


def test_a_command_without_an_outcome_is_answered_when_its_time_is_up(room: Room) -> None:
    room.at_once = None
    room.say(ack("waiting"))
    room.say(ack("begun"))
    room.desk.step()
    room.desk.step()
    assert room.outcomes[1].set_running_or_notify_cancel()
    room.now += 5.1
    room.desk.step()
    answers = {answer["transaction"]: answer for answer in room.answers}
    assert answers["waiting"]["error"] == "no outcome within 5 s; nothing was done"
    assert room.outcomes[0].cancelled()
    assert answers["begun"]["error"] == "no outcome within 5 s; it may still be carried out"


def test_one_that_takes_long_does_not_hold_up_the_next(room: Room) -> None:
    room.at_once = None
    room.say(ack("slow"))
    room.desk.step()
    room.at_once = "done"
    room.say(ack("quick"))
    room.desk.step()
    assert [answer["transaction"] for answer in room.answers] == ["quick"]
    room.outcomes[0].set_result("at last")
    room.desk.step()
    assert room.answers[1]["data"] == {"said": "at last"}


def test_an_answer_that_took_long_is_remembered_as_any_other(room: Room) -> None:
    room.within_s = 600.0
    room.at_once = None
    room.say(ack("slow"))
    room.desk.step()
    room.at_once = "done"
    for i in range(REMEMBERED + 10):
        room.now += 0.1
        room.say(ack(f"t{i}"))
        room.desk.step()
    room.outcomes[0].set_result("at last")
    room.desk.step()
    room.now += 1.0
    room.say(ack("slow"))
    room.desk.step()
    assert [command.transaction for command in room.begun].count("slow") == 1
    assert [answer["transaction"] for answer in room.answers[-2:]] == ["slow", "slow"]


def test_what_is_open_when_the_daemon_stops_is_answered(room: Room) -> None:
    room.at_once = None
    room.say(ack("begun"))
    room.desk.step()
    room.say(ack("waits"))
    room.desk.close()
    room.say(ack("late"))
    assert sorted((answer["transaction"], answer["status"], answer["error"]) for answer in room.answers) == [
        ("begun", "failed", "the daemon is stopping; nothing was done"),
        ("late", "refused", "the daemon is stopping"),
        ("waits", "failed", "the daemon is stopping; nothing was done"),
    ]


def test_an_answer_that_finds_no_connection_is_given_once_there_is_one(room: Room) -> None:
    room.say(ack())
    room.connected = False
    room.desk.step()
    room.connected = True
    room.taken = False
    room.desk.connected()
    assert len(room.answers) == 1
    room.taken = True
    room.desk.connected()
    room.desk.connected()
    assert len(room.answers) == 2, "the connection went before the broker had it, and then it had it"
