"""The dashboard's application over a broker that only pretends: messages are put in by the test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fake_fleet import FakeFleet, Message
from starlette.testclient import TestClient

from asdstream.mqtt.connection import Connection
from asdstream.web.fleet_watch import FleetWatch

NOW = 1_750_000_000.0


@dataclass
class StubSubscriber:
    """Hands on what the test says; `answer` is called with topic and payload of whatever is published."""

    problem: str | None = "no broker listens at 127.0.0.1:1883"
    refused: frozenset[str] = frozenset()
    published: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Callable[[str, bytes], None] | None = None
    filters: dict[str, int] = field(default_factory=dict)
    tell_connection: list[Callable[[Connection | None], None]] = field(default_factory=list)
    handler: Callable[[str, bytes], None] | None = None

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], None], *, qos: int = 0, max_bytes: int = 1_000_000
    ) -> None:
        self.filters[topic_filter] = max_bytes
        self.handler = handler

    def on_connection(self, listener: Callable[[Connection | None], None]) -> None:
        self.tell_connection.append(listener)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0) -> bool:
        if self.problem is not None:
            return False
        self.published.append((topic, payload))
        if self.answer is not None:
            self.answer(topic, payload)
        return True

    def connect(self) -> None:
        self.problem = None
        for listener in self.tell_connection:
            listener(object())  # type: ignore[arg-type]

    def disconnect(self) -> None:
        self.problem = "the connection to the broker at 127.0.0.1:1883 was lost"
        for listener in self.tell_connection:
            listener(None)

    def say(self, message: Message) -> None:
        assert self.handler is not None
        self.handler(message.topic, message.payload)


@dataclass
class Board:
    """A dashboard and the way to it: `page` is a browser on this machine."""

    page: TestClient
    broker: StubSubscriber
    watch: FleetWatch
    now: float = NOW

    def fleet(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.get("/api/fleet").json()
        return found

    def show_fake_fleet(self) -> FakeFleet:
        fleet = FakeFleet(self.now)
        self.broker.connect()
        for message, _ in fleet.messages():
            self.broker.say(message)
        return fleet
