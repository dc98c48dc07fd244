import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosquitto_broker import MosquittoBroker

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.connection import Connection
from asdstream.mqtt.outbox_publisher import OutboxPublisher
from asdstream.mqtt.outbox_queue import OutboxQueue
from asdstream.store.database import StoreError
from asdstream.store.outbox_message import OutboxMessage, OutboxRow
from asdstream.store.store import Store


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "asdstream.db")
    yield opened
    opened.close()


@contextmanager
def publishing(store: Store, broker: MosquittoBroker, max_in_flight: int = 5) -> Iterator[OutboxPublisher]:
    client = MqttClient(Broker(broker.host, broker.port), "publisher")
    publisher = OutboxPublisher(store, client, max_in_flight)
    publisher.start()
    client.start()
    try:
        yield publisher
    finally:
        publisher.stop()
        client.stop()
        assert not publisher.alive


@contextmanager
def listening(broker: MosquittoBroker) -> Iterator[list[int]]:
    received: list[int] = []
    client = MqttClient(Broker(broker.host, broker.port), "listener")
    client.subscribe("event/#", lambda _topic, payload: received.append(int(payload)), qos=1)
    client.start()
    until(lambda: "Sending SUBACK to listener\n" in broker.log)
    try:
        yield received
    finally:
        client.stop()


def put(store: Store, numbers: range) -> None:
    store.commit([], [OutboxMessage("event/alarm", str(number).encode()) for number in numbers])


def test_messages_leave_in_order_and_are_deleted_once_acknowledged(store: Store, mosquitto: MosquittoBroker) -> None:
    put(store, range(30))
    with listening(mosquitto) as received, publishing(store, mosquitto) as publisher:
        until(lambda: len(received) == 30)
        put(store, range(30, 40))
        publisher.wake()
        until(lambda: len(received) == 40 and store.outbox_size() == 0)
        assert publisher.acknowledged == 40
    assert received == list(range(40))


def test_after_a_connection_what_stands_is_told_before_the_outbox_which_leaves_at_a_bounded_rate(
    store: Store, mosquitto: MosquittoBroker
) -> None:
    standing = range(1000, 1100)
    put(store, range(60))
    with listening(mosquitto) as received:
        client = MqttClient(Broker(mosquitto.host, mosquitto.port), "publisher")
        publisher = OutboxPublisher(store, client, max_in_flight=10, per_second=100.0)

        told: list[float] = []

        def tell_what_stands(connection: Connection | None) -> None:
            if connection is not None:
                for number in standing:
                    connection.publish("event/state", str(number).encode(), qos=1, retain=False)
                    time.sleep(0.001)
                told.append(time.monotonic())

        client.on_connection(tell_what_stands)
        publisher.start()
        client.start()
        until(lambda: len(received) == len(standing) + 60)
        took_s = time.monotonic() - told[0]
        publisher.stop()
        client.stop()
    assert received == [*standing, *range(60)]
    # The first ten at once, the other fifty in half a second.
    assert 0.4 < took_s < 20.0


def test_nothing_is_deleted_while_there_is_no_broker(
    store: Store, mosquitto_with: Callable[..., MosquittoBroker]
) -> None:
    broker = mosquitto_with()
    put(store, range(3))
    with publishing(store, broker) as publisher:
        time.sleep(0.3)
        assert store.outbox_size() == 3
        assert publisher.alive
        broker.start()
        until(lambda: store.outbox_size() == 0)


def test_a_broker_that_is_killed_again_and_again_loses_no_message(
    store: Store, mosquitto: MosquittoBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.LONGEST_RETRY_S", 0.05)
    received: list[int] = []
    listener = MqttClient(Broker(mosquitto.host, mosquitto.port), "listener")
    listener.subscribe("event/#", lambda _topic, payload: received.append(int(payload)), qos=1)
    taken: list[int] = []
    done = store.outbox_done

    def note(*ids: int) -> None:
        taken.extend(ids)
        done(*ids)

    store.outbox_done = note  # type: ignore[method-assign]
    listener.start()
    listener.wait_connected(5)
    with publishing(store, mosquitto) as publisher:
        for round_ in range(4):
            put(store, range(round_ * 50, round_ * 50 + 50))
            publisher.wake()
            time.sleep(0.01)
            mosquitto.restart(kill=True)
            until(lambda: listener.connected)
        until(lambda: store.outbox_size() == 0, 20)
    listener.stop()
    assert sorted(set(taken)) == list(range(1, 201))


def test_after_a_reconnect_no_message_overtakes_an_older_one(store: Store) -> None:
    """On a transport that dies in the middle, what the next connection gets begins with the oldest unacknowledged."""

    class Wire:
        def __init__(self, answers: int) -> None:
            self.sent: list[int] = []
            self._answers = answers

        def publish(self, _topic: str, payload: bytes, *, acknowledged: Callable[[bool], None], **_: object) -> bool:
            self.sent.append(int(payload))
            if len(self.sent) <= self._answers:
                acknowledged(True)
            return True

    class Client:
        def on_connection(self, listener: Callable[[Wire | None], None]) -> None:
            self.tell = listener

    put(store, range(10))
    client = Client()
    publisher = OutboxPublisher(store, client, 4)  # type: ignore[arg-type]
    publisher.start()
    first, second = Wire(3), Wire(100)
    client.tell(first)
    until(lambda: len(first.sent) == 7)
    time.sleep(0.1)
    assert first.sent == list(range(7))
    client.tell(None)
    client.tell(second)
    until(lambda: store.outbox_size() == 0)
    publisher.stop()
    assert second.sent == list(range(3, 10))


def test_a_store_that_fails_for_a_while_stops_nothing(
    mosquitto: MosquittoBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.outbox_publisher.PAUSE_AFTER_TROUBLE_S", 0.02)

    class Failing:
        def __init__(self) -> None:
            self.failures = 3
            self.deleted = threading.Event()

        def outbox_pending(self, limit: int, after: int = 0) -> list[OutboxRow]:
            assert limit == 5
            self.failures -= 1
            if self.failures >= 0:
                raise StoreError("The database is away") if self.failures else RuntimeError("a fault")
            return [] if after else [OutboxRow(1, OutboxMessage("event/alarm", b"1"))]

        def outbox_done(self, *ids: int) -> None:
            assert ids == (1,)
            self.deleted.set()

    failing = Failing()
    with publishing(failing, mosquitto):  # type: ignore[arg-type]
        assert failing.deleted.wait(60)


def test_messages_that_were_passed_over_are_sent_and_what_was_on_its_way_again(mosquitto: MosquittoBroker) -> None:
    class Ledger:
        """Of a disk that cannot be read until the newer message has left."""

        def __init__(self) -> None:
            self.waiting = [1, 2]
            self.given = 0

        def outbox_pending(self, limit: int, after: int = 0) -> list[OutboxRow]:
            self.given += 1
            first = {1: 2, 2: 1}.get(self.given, after + 1)
            return [OutboxRow(one, OutboxMessage("event/alarm", b"%d" % one)) for one in self.waiting if one >= first]

        def outbox_done(self, *ids: int) -> None:
            self.waiting = [one for one in self.waiting if one not in ids]

    ledger = Ledger()
    with listening(mosquitto) as received, publishing(ledger, mosquitto) as publisher:  # type: ignore[arg-type]
        until(lambda: not ledger.waiting and len(received) >= 2)
        assert publisher.problem is None
    assert sorted(set(received)) == [1, 2]


def test_retained_messages_stay_with_the_broker(store: Store, mosquitto: MosquittoBroker) -> None:
    store.commit([], [OutboxMessage("event/state", b"7", retain=True)])
    with publishing(store, mosquitto):
        until(lambda: store.outbox_size() == 0)
    with listening(mosquitto) as received:
        until(lambda: received == [7])


def test_a_refused_message_stays_in_the_outbox_and_is_said(
    store: Store, mosquitto_with: Callable[..., MosquittoBroker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.outbox_publisher.PAUSE_AFTER_TROUBLE_S", 0.05)
    (tmp_path / "acl").write_text("topic read #\n")
    broker = mosquitto_with(f"acl_file {tmp_path / 'acl'}")
    broker.start()
    put(store, range(2))
    with publishing(store, broker) as publisher:
        until(lambda: publisher.problem is not None)
        assert publisher.problem is not None
        assert "refuses alarm messages" in publisher.problem
        assert store.outbox_size() == 2


@given(st.lists(st.sampled_from(["send", "answer", "lost"]), max_size=60), st.integers(1, 5))
def test_the_queue_keeps_order_and_limit(steps: list[str], limit: int) -> None:
    queue, waiting, flying = OutboxQueue(limit), list(range(1, 100)), []
    for step in steps:
        assert queue.in_flight == len(flying) <= limit
        if step == "send" and queue.room:
            number = next(number for number in waiting if number > queue.latest)
            queue.sent(number)
            flying.append(number)
        elif step == "answer" and flying:
            number = flying.pop(len(flying) // 2)
            queue.acknowledged(number)
            waiting.remove(number)
        elif step == "lost":
            queue.start_over()
            flying.clear()
            assert queue.latest == 0


def test_the_queue_refuses_to_be_used_out_of_order() -> None:
    queue = OutboxQueue(1)
    queue.sent(5)
    with pytest.raises(ValueError, match="one too many"):
        queue.sent(6)
    queue.acknowledged(5)
    with pytest.raises(ValueError, match="in order"):
        queue.sent(5)
    with pytest.raises(ValueError, match="at least 1"):
        OutboxQueue(0)
