"""The other end of the commands: ask a running daemon, wait for its answer."""

import threading
import time
from types import TracebackType
from typing import Any, Self

from ulid import ULID

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.commands import ReplyPayload, write_command
from asdstream.mqtt.errors import MqttError
from asdstream.mqtt.payloads import StatusPayload
from asdstream.mqtt.topics import Topics

CONNECT_WITHIN_S = 10.0
DAEMON_WITHIN_S = 5.0
"""A daemon that is there has left word of it with the broker."""
SLACK_S = 10.0
"""On top of what the daemon itself may take to answer."""


class CommandLine:
    """A connection over which the daemon of `topics` is asked; a context manager.

    Raises `MqttError` on entering where there is no broker or no daemon.

    Example:
        with CommandLine(broker, topics) as line:
            reply = line.ask("ack", "ann", {"alarm_id": "fan-1.anomaly"}, within_s=5.0)
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topics = topics
        self._client = MqttClient(broker, f"asdstream-command-{ULID()}")
        self._news = threading.Condition()
        self._state: str | None = None
        self._replies: dict[str, ReplyPayload] = {}

    def __enter__(self) -> Self:
        self._client.subscribe(self._topics.status, self._status, qos=1)
        self._client.start()
        try:
            self._find_daemon()
        except BaseException:
            self._client.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.stop()

    def ask(self, verb: str, actor: str, args: dict[str, Any], within_s: float) -> ReplyPayload:
        """The answer to a command; `within_s` is how long the daemon may take.

        Raises `MqttError` where none comes, and `CommandError` for what no daemon would take.
        """
        command, payload = write_command(verb, actor, args)
        transaction = command.transaction
        self._client.subscribe(self._topics.reply(transaction), self._replied, qos=1)
        if not self._client.publish_wait(self._topics.command(verb), payload):
            raise MqttError(self._client.problem or f"the broker at {self._broker.address} did not take the command")
        deadline = time.monotonic() + within_s + SLACK_S
        with self._news:
            self._news.wait_for(
                lambda: transaction in self._replies or self._state != "online", deadline - time.monotonic()
            )
            if transaction not in self._replies and self._state != "online":
                # It says farewell after its last answers.
                self._news.wait_for(lambda: transaction in self._replies, 1.0)
            reply = self._replies.get(transaction)
        if reply is None:
            raise self._absent(f" within {within_s + SLACK_S:.0f} s")
        return reply

    def _find_daemon(self) -> None:
        if not self._client.wait_connected(CONNECT_WITHIN_S):
            raise MqttError(self._client.problem or f"no answer from {self._broker.address}")
        with self._news:
            self._news.wait_for(lambda: self._state is not None, DAEMON_WITHIN_S)
        if self._state != "online":
            raise self._absent()

    def _absent(self, when: str = "") -> MqttError:
        return MqttError(
            f"no daemon answers at {self._topics.root} on the broker {self._broker.address}{when}; "
            "is `asdstream run` running with this configuration?"
        )

    def _status(self, _topic: str, payload: bytes) -> None:
        state = StatusPayload.model_validate_json(payload).state
        with self._news:
            self._state = state
            self._news.notify_all()

    def _replied(self, _topic: str, payload: bytes) -> None:
        reply = ReplyPayload.model_validate_json(payload)
        with self._news:
            self._replies[reply.transaction] = reply
            self._news.notify_all()
