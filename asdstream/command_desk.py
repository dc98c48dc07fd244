"""Where commands come in: each is answered, and none is carried out twice."""

import hashlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog

from asdstream.alarms.command import CommandRefusedError
from asdstream.mqtt.commands import MAX_COMMAND_BYTES, Command, CommandError, ReplyPayload, read_command
from asdstream.mqtt.payloads import moment
from asdstream.mqtt.topics import Topics
from asdstream.token_bucket import TokenBucket
from asdstream.worker import IDLE_S

log = structlog.get_logger()

COMMANDS_PER_S = 10.0
COMMANDS_AT_ONCE = 30
"""People press buttons, and a control room that acknowledges everything at once does so for tens of alarms."""
REFUSALS_PER_S = 20.0
REFUSALS_AT_ONCE = 100
"""Whoever sends more than that is a flood, and answers to it would crowd out the alarms on the way to the broker."""
WAITING = 64
OPEN = 64
REMEMBERED = 256
"""Answers that are given again when their command comes again: of some minutes even under the highest rate."""
LOG_EVERY_S = 10.0

Status = Literal["ok", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Order:
    """A command that is being carried out: `outcome` comes `within_s` or never; `tell` makes of it what is answered.

    An answer too large to be `kept` is not given again: a command that only asks may as well be carried out again.
    """

    outcome: "Future[Any]"
    within_s: float
    tell: Callable[[Any], dict[str, Any]]
    kept: bool = True


Handler = Callable[[Command], Order]
"""Begins to carry a command out; must not block. Raises CommandRefusedError where it makes no sense."""


class Publish(Protocol):
    """`MqttClient.publish`."""

    def __call__(
        self, topic: str, payload: bytes, *, qos: int, acknowledged: Callable[[bool], None] | None = None
    ) -> bool:
        """Whether there was a connection to hand it to."""


@dataclass(slots=True)
class _Entry:
    """A transaction: what it asked, how it is answered, and whether the broker has the answer."""

    asked: bytes
    reply: bytes | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    command: Command
    order: Order
    answer_by: float


class CommandDesk:
    """Takes messages from the network thread and works on a thread of its own, which calls `step` over and over.

    A transaction that comes again, as quality of service 1 allows, gets the same answer again, as long as it is among
    the latest 256. An answer that finds no connection is given once there is one. Messages of which no transaction can
    be read are counted in `discarded` and logged, at most one line in ten seconds.
    """

    def __init__(
        self,
        topics: Topics,
        handlers: Mapping[str, Handler],
        publish: Publish,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._topics = topics
        self._handlers = handlers
        self._publish = publish
        self._clock = clock
        self._utc = utc
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._inbox: queue.Queue[Command | None] = queue.Queue(WAITING)
        self._open: dict[str, _Open] = {}
        self._closed = False
        self._bucket = TokenBucket(COMMANDS_PER_S, COMMANDS_AT_ONCE, clock)
        self._refusals = TokenBucket(REFUSALS_PER_S, REFUSALS_AT_ONCE, clock)
        self._discarded = 0
        self._log_after = clock()

    @property
    def discarded(self) -> int:
        """Messages that were not answered."""
        return self._discarded

    def receive(self, topic: str, payload: bytes) -> None:
        """A message has come; on the network thread, never blocks."""
        if len(payload) > MAX_COMMAND_BYTES:
            self._discard(f"{len(payload)} bytes; a command has at most {MAX_COMMAND_BYTES}")
            return
        verb = topic.rpartition("/")[2]
        try:
            command = read_command(verb, payload)
        except CommandError as error:
            if error.transaction is None:
                self._discard(str(error))
            else:
                self._refuse(error.transaction, str(error))
            return
        asked = hashlib.sha256(verb.encode() + b"/" + payload).digest()
        with self._lock:
            known = self._entries.get(command.transaction)
            in_time = self._bucket.take()
            why_not = None if known is not None else self._why_not(in_time)
            if known is None and why_not is None:
                self._entries[command.transaction] = _Entry(asked)
                self._inbox.put_nowait(command)
        if known is None:
            if why_not is not None:
                self._refuse(command.transaction, why_not)
        elif known.asked != asked:
            self._refuse(command.transaction, "another command had this transaction; every command needs its own")
        elif not in_time:
            self._discard("the same command over and over")
        elif known.reply is not None:
            self._send(command.transaction, known)

    def step(self) -> None:
        """Begin with the next command, where one waits, and answer those whose outcome is there or overdue."""
        try:
            command = self._inbox.get(timeout=IDLE_S)
        except queue.Empty:
            command = None
        if command is not None:
            self._begin(command)
        for transaction, item in list(self._open.items()):
            if item.order.outcome.done() or self._clock() > item.answer_by:
                del self._open[transaction]
                self._settle(item, f"no outcome within {item.order.within_s:.0f} s")

    def connected(self) -> None:
        """There is a connection again: give the answers that the last one did not take."""
        with self._lock:
            untold = [(name, entry) for name, entry in self._entries.items() if entry.reply and not entry.told]
        for transaction, entry in untold:
            self._send(transaction, entry)

    def close(self) -> None:
        """Answer whatever is open; from here on every command is refused. Its thread must have ended."""
        with self._lock:
            self._closed = True
        while True:
            try:
                command = self._inbox.get_nowait()
            except queue.Empty:
                break
            if command is not None:
                self._answer(command, "failed", "the daemon is stopping; nothing was done")
        for item in self._open.values():
            self._settle(item, "the daemon is stopping")
        self._open.clear()

    def _why_not(self, in_time: bool) -> str | None:
        if self._closed:
            return "the daemon is stopping"
        if not in_time:
            return f"too many commands at once; {COMMANDS_PER_S:.0f} a second are taken"
        if self._inbox.qsize() >= WAITING - 1 or len(self._open) >= OPEN:
            return "too many commands wait to be carried out; ask again later"
        return None

    def _begin(self, command: Command) -> None:
        try:
            order = self._handlers[command.verb](command)
        except CommandRefusedError as refused:
            self._answer(command, "refused", str(refused))
        except Exception as error:
            log.exception("command_failed", verb=command.verb)
            self._answer(command, "failed", f"{type(error).__name__}: {error}")
        else:
            self._open[command.transaction] = _Open(command, order, self._clock() + order.within_s)
            if not order.outcome.done():
                order.outcome.add_done_callback(lambda _: self._wake())

    def _wake(self) -> None:
        if self._inbox.empty():
            with self._lock:
                if self._inbox.qsize() < WAITING - 1:
                    self._inbox.put_nowait(None)

    def _settle(self, item: _Open, overdue: str) -> None:
        outcome = item.order.outcome
        if not outcome.done():
            done = "nothing was done" if outcome.cancel() else "it may still be carried out"
            self._answer(item.command, "failed", f"{overdue}; {done}")
            return
        try:
            data = item.order.tell(outcome.result())
        except CommandRefusedError as refused:
            self._answer(item.command, "refused", str(refused))
        except CancelledError:
            self._answer(item.command, "failed", f"{overdue}; nothing was done")
        except Exception as error:
            log.warning("command_failed", verb=item.command.verb, problem=f"{type(error).__name__}: {error}")
            self._answer(item.command, "failed", f"{error}" or type(error).__name__)
        else:
            self._answer(item.command, "ok", None, data, kept=item.order.kept)

    def _answer(
        self,
        command: Command,
        status: Status,
        error: str | None,
        data: dict[str, Any] | None = None,
        *,
        kept: bool = True,
    ) -> None:
        log.info("command", verb=command.verb, actor=command.actor, status=status, problem=error)
        reply = self._reply(command.transaction, status, error, data)
        with self._lock:
            entry = self._entries[command.transaction]
            entry.reply = reply
            self._entries.move_to_end(command.transaction)
            answered = [name for name, one in self._entries.items() if one.reply is not None]
            for name in answered[:-REMEMBERED]:
                del self._entries[name]
            if not kept:
                del self._entries[command.transaction]
        self._send(command.transaction, entry)

    def _refuse(self, transaction: str, error: str) -> None:
        with self._lock:
            in_time = self._refusals.take()
        if not in_time or not self._publish(
            self._topics.reply(transaction), self._reply(transaction, "refused", error, None), qos=1
        ):
            self._discard(error)

    def _send(self, transaction: str, entry: _Entry) -> None:
        def told(taken: bool) -> None:
            entry.told = entry.told or taken

        if entry.reply is not None:
            self._publish(self._topics.reply(transaction), entry.reply, qos=1, acknowledged=told)

    def _reply(self, transaction: str, status: Status, error: str | None, data: dict[str, Any] | None) -> bytes:
        return ReplyPayload(
            ts=moment(self._utc()), transaction=transaction, status=status, error=error, data=data
        ).encode()

    def _discard(self, reason: str) -> None:
        with self._lock:
            self._discarded += 1
            now = self._clock()
            say = now >= self._log_after
            if say:
                self._log_after = now + LOG_EVERY_S
        if say:
            log.warning("command_discarded", reason=reason, discarded=self._discarded)
