"""Carries the outbox to the broker: in order, a few in flight and so many a second, deleted only when acknowledged."""

import threading
from dataclasses import dataclass
from typing import Protocol

import structlog

from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.connection import Connection
from asdstream.mqtt.outbox_queue import OutboxQueue
from asdstream.pulse import Pulse
from asdstream.store.database import StoreError
from asdstream.store.outbox_message import OutboxRow
from asdstream.token_bucket import TokenBucket

log = structlog.get_logger()

LOOK_AGAIN_S = 5.0
"""Another process, such as a command, may have put a message into the same outbox."""
PAUSE_AFTER_TROUBLE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Answer:
    connection: Connection
    number: int
    taken: bool


class Outbox(Protocol):
    """The part of the store that is needed here."""

    def outbox_pending(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """The oldest `limit` after `after`; from the oldest of all on where those before `after` were passed over."""

    def outbox_done(self, *ids: int) -> None: ...


class OutboxPublisher:
    """A thread between store and client. Start it before the client, so that it hears of the first connection.

    It hears of connections after all who were told to listen before it was started: what they publish leaves first. At
    most `max_in_flight` messages are sent at once and then `per_second` a second, so that what has gathered while the
    broker was away does not flood it. `pulse` beats at least every few seconds, whether or not there is a broker.
    """

    def __init__(self, store: Outbox, client: MqttClient, max_in_flight: int = 20, per_second: float = 200.0) -> None:
        self._store = store
        self._client = client
        self._queue = OutboxQueue(max_in_flight)
        self._bucket = TokenBucket(per_second, max_in_flight)
        self._pause_s = LOOK_AGAIN_S
        self._problem: str | None = None
        self._acknowledged_total = 0
        self._done: list[int] = []
        self._stopping = threading.Event()
        # What other threads tell, under the condition; `_news` says that there is any.
        self._condition = threading.Condition()
        self._news = True
        self._connection: Connection | None = None
        self._start_over = False
        self._answers: list[_Answer] = []
        self.pulse = Pulse()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    @property
    def problem(self) -> str | None:
        """What keeps messages from leaving although there is a connection, in one sentence."""
        return self._problem

    @property
    def acknowledged(self) -> int:
        """How many messages the broker has taken since the start."""
        return self._acknowledged_total

    def start(self) -> None:
        """Begin; without a connection the messages wait."""
        self._client.on_connection(self._connection_changed)
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        with self._condition:
            self._news = True
            self._condition.notify()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End after the acknowledgements that are under way, at most `timeout_s` later; the rest stays in the store."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _connection_changed(self, connection: Connection | None) -> None:
        with self._condition:
            self._connection = connection
            self._start_over = True
            self._news = True
            self._condition.notify()

    def _answered(self, answer: _Answer) -> None:
        # On the network thread, which holds a lock of paho's: only note it.
        with self._condition:
            self._answers.append(answer)
            self._news = True
            self._condition.notify()

    def _run(self) -> None:
        while True:
            self.pulse.beat()
            with self._condition:
                if not self._news:
                    self._condition.wait(self._pause_s)
                self._news = False
                self._pause_s = LOOK_AGAIN_S
                connection, answers, start_over = self._connection, self._answers, self._start_over
                self._answers, self._start_over = [], False
            try:
                refused = self._take(answers, connection)
                if start_over or refused:
                    self._queue.start_over()
                if connection is not None and not refused and not self._stopping.is_set():
                    self._send(connection)
                self._delete_done()
                if self._stopping.is_set() and (connection is None or self._queue.in_flight == 0):
                    return
                if refused:
                    self._trouble("the broker refuses alarm messages: may this user write to our topics?")
            except StoreError as error:
                self._trouble(str(error))
            except Exception:
                # Ending here would silence the alarms.
                log.exception("outbox_failed_unexpectedly")
                self._trouble("the outbox failed unexpectedly; the log has the details")

    def _take(self, answers: list[_Answer], connection: Connection | None) -> bool:
        """Note what the broker has taken; whether it refused something on the present connection."""
        refused = False
        for answer in answers:
            if answer.taken:
                self._done.append(answer.number)
            if answer.connection is connection:
                if answer.taken:
                    self._queue.acknowledged(answer.number)
                refused = refused or not answer.taken
        return refused

    def _delete_done(self) -> None:
        if self._done:
            self._store.outbox_done(*self._done)
            self._acknowledged_total += len(self._done)
            self._done.clear()
            self._problem = None

    def _send(self, connection: Connection) -> None:
        """On the very connection whose start the queue knows of: on a later one the order would be lost."""
        for row in self._store.outbox_pending(self._queue.room, after=self._queue.latest):
            message = row.message
            if row.id <= self._queue.latest:
                self._queue.start_over()
            if not self._bucket.take():
                self._pause_s = self._bucket.next_s
                return
            if row.id in self._done:
                # Taken, but the store could not delete it yet.
                self._queue.sent(row.id)
                self._queue.acknowledged(row.id)
                continue

            def answered(taken: bool, number: int = row.id) -> None:
                self._answered(_Answer(connection, number, taken))

            if not connection.publish(
                message.topic, message.payload, qos=1, retain=message.retain, acknowledged=answered
            ):
                return
            self._queue.sent(row.id)

    def _trouble(self, sentence: str) -> None:
        if sentence != self._problem:
            log.error("outbox_stuck", problem=sentence)
        self._problem = sentence
        self._stopping.wait(PAUSE_AFTER_TROUBLE_S)
        self.wake()
