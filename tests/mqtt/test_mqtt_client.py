import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mosquitto_broker import MosquittoBroker, find_program, free_port
from structlog.testing import capture_logs

from asdstream.demo.broker import EmbeddedBroker
from asdstream.mqtt.broker import Broker, Tls
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.connection import Connection
from asdstream.mqtt.errors import MqttError
from asdstream.mqtt.presence import Presence
from asdstream.mqtt.topics import Topics

TOPICS = Topics("plant", "line-1")
PASSWORD = "correct horse battery"  # noqa: S105


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def running(client: MqttClient) -> Iterator[MqttClient]:
    client.start()
    try:
        yield client
    finally:
        client.stop()
        assert not client.alive


def new_client(broker: MosquittoBroker | EmbeddedBroker, client_id: str = "client", **settings: object) -> MqttClient:
    return MqttClient(Broker(broker.host, broker.port, **settings), client_id)  # type: ignore[arg-type]


def daemon_client(broker: MosquittoBroker, boot_id: str = "BOOT") -> MqttClient:
    return MqttClient(Broker(broker.host, broker.port), "daemon", Presence(TOPICS, boot_id, "1.2.3", time.time))


def watch(broker: MosquittoBroker, topic: str) -> tuple[MqttClient, list[dict[str, object]]]:
    received: list[dict[str, object]] = []
    client = new_client(broker, "watcher")
    client.subscribe(topic, lambda _topic, payload: received.append(json.loads(payload)), qos=1)
    return client, received


@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
def test_messages_go_and_come_in_either_version(mosquitto: MosquittoBroker, protocol: str) -> None:
    received: list[tuple[str, bytes]] = []
    client = new_client(mosquitto, protocol=protocol)
    client.subscribe("a/b", lambda topic, payload: received.append((topic, payload)))
    with running(client):
        assert client.wait_connected(30)
        assert client.protocol == ("5" if protocol == "auto" else protocol)
        assert client.publish_wait("a/b", b"hello")
        until(lambda: received == [("a/b", b"hello")])


def test_a_broker_that_knows_only_3_1_1_is_spoken_to_in_3_1_1() -> None:
    with EmbeddedBroker(port=free_port()) as broker:
        received: list[bytes] = []
        client = new_client(broker)
        client.subscribe("a/b", lambda _topic, payload: received.append(payload), qos=1)
        with running(client):
            assert client.wait_connected(30), client.problem
            assert client.protocol == "3.1.1"
            assert client.publish_wait("a/b", b"hello")
            until(lambda: received == [b"hello"])


def test_mosquitto_sub_hears_what_is_published(mosquitto: MosquittoBroker) -> None:
    command = [find_program("mosquitto_sub"), "-p", str(mosquitto.port), "-t", "asd/#", "-C", "1", "-W", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as listener, running(new_client(mosquitto)) as client:
        assert client.wait_connected(30)
        until(lambda: "SUBACK" in mosquitto.log)
        client.publish("asd/x", b"heard")
        assert listener.communicate(timeout=60)[0] == b"heard\n"


def test_without_a_broker_the_client_keeps_trying_and_says_so_once(
    mosquitto_with: Callable[..., MosquittoBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.LONGEST_RETRY_S", 0.05)
    broker = mosquitto_with()
    with capture_logs() as lines, running(new_client(broker)) as client:
        assert not client.wait_connected(5)
        time.sleep(0.5)
        assert client.problem == f"no broker listens at 127.0.0.1:{broker.port}"
        assert not client.publish("a", b"")
        assert client.dropped == 1
        assert [line["event"] for line in lines] == ["mqtt_not_connected"]
        broker.start()
        until(lambda: client.connected)
        assert client.problem is None


def test_subscriptions_are_made_again_on_every_connection(mosquitto: MosquittoBroker) -> None:
    received: list[bytes] = []
    client = new_client(mosquitto)
    client.subscribe("a/b", lambda _topic, payload: received.append(payload))
    with running(client):
        assert client.wait_connected(30)
        mosquitto.restart(kill=True)
        until(lambda: not client.connected)
        until(lambda: client.connected)
        # What is sent before the broker has taken the subscription comes back to nobody.
        until(lambda: client.publish_wait("a/b", b"again") and b"again" in received)


def test_an_exception_in_a_handler_or_listener_ends_nothing(mosquitto: MosquittoBroker) -> None:
    received: list[bytes] = []

    def spoiled(_topic: str, payload: bytes) -> None:
        received.append(payload)
        raise RuntimeError("a fault in a handler")

    def spoiled_listener(_connection: Connection | None) -> None:
        raise RuntimeError("a fault in a listener")

    client = new_client(mosquitto)
    client.subscribe("a/b", spoiled)
    client.on_connection(spoiled_listener)
    with capture_logs() as lines, running(client):
        assert client.wait_connected(30)
        for number in range(5):
            assert client.publish_wait("a/b", str(number).encode())
        until(lambda: len(received) == 5)
        assert client.connected
        assert client.alive
        assert client.rejected == 5
    assert [line["event"] for line in lines].count("mqtt_handler_failed") == 1


def test_an_acknowledgement_whose_receiver_fails_ends_nothing(mosquitto: MosquittoBroker) -> None:
    def spoiled(_taken: bool) -> None:
        raise RuntimeError("a fault")

    with running(new_client(mosquitto)) as client:
        assert client.wait_connected(30)
        assert client.publish("a", b"", qos=1, acknowledged=spoiled)
        assert client.publish_wait("a", b"")
        assert client.connected


def test_a_payload_over_the_limit_never_reaches_the_handler(mosquitto: MosquittoBroker) -> None:
    received: list[int] = []
    client = new_client(mosquitto)
    client.subscribe("a/b", lambda _topic, payload: received.append(len(payload)), max_bytes=100)
    with running(client):
        assert client.wait_connected(30)
        for size in (100, 101, 5000, 99):
            client.publish_wait("a/b", bytes(size))
        until(lambda: received == [100, 99])
        assert client.rejected == 2


def test_many_messages_at_once_are_all_acknowledged_in_order(mosquitto: MosquittoBroker) -> None:
    answers: list[int] = []
    with running(new_client(mosquitto)) as client:
        assert client.wait_connected(30)
        for number in range(500):
            assert client.publish(
                "a", bytes(1000), qos=1, acknowledged=lambda taken, number=number: answers.append(number * taken)
            )
        until(lambda: answers == list(range(500)))


def test_hostile_topics_and_payloads_end_nothing(mosquitto: MosquittoBroker) -> None:
    received: list[bytes] = []
    client = new_client(mosquitto)
    client.subscribe("asd/#", lambda _topic, payload: received.append(payload))
    with running(client), running(new_client(mosquitto, "stranger")) as stranger:
        assert client.wait_connected(30)
        assert client.publish_wait("ready", b""), "the broker answers in order: the subscription stands"
        assert stranger.wait_connected(30)
        for payload in (b"", b"\xff\xfe", b"{" * 10_000, bytes(range(256)) * 100):
            assert stranger.publish_wait("asd/ü/☃/x", payload)
        until(lambda: len(received) == 4)
        assert client.connected


def test_a_refused_connection_is_not_a_connection_and_is_said_once(
    mosquitto_with: Callable[..., MosquittoBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.LONGEST_RETRY_S", 0.05)
    broker = mosquitto_with(allow_anonymous=False)
    broker.start()
    with (
        capture_logs() as lines,
        running(new_client(broker, username="edge", password=PASSWORD)) as client,
    ):
        assert not client.wait_connected(5)
        time.sleep(0.3)
        assert not client.connected
        assert client.problem is not None
        assert client.problem.startswith(f'the broker at 127.0.0.1:{broker.port} refused the connection as user "edge"')
    assert [line["event"] for line in lines] == ["mqtt_not_connected"]
    assert PASSWORD not in str(lines) + repr(client._broker)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_name_and_password_open_the_door(
    mosquitto_with: Callable[..., MosquittoBroker], tmp_path: Path, protocol: str
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run([find_program("mosquitto_passwd"), "-b", "-c", str(passwords), "edge", PASSWORD], check=True)
    broker = mosquitto_with(f"password_file {passwords}", allow_anonymous=False)
    broker.start()
    with running(new_client(broker, username="edge", password=PASSWORD, protocol=protocol)) as client:
        assert client.wait_connected(30), client.problem
    with running(new_client(broker, username="edge", password=PASSWORD[1:], protocol=protocol)) as client:
        assert not client.wait_connected(5)
        assert client.problem is not None
        assert "refused the connection" in client.problem


def test_birth_and_will_carry_the_same_identity_and_count_up(mosquitto: MosquittoBroker) -> None:
    watcher, statuses = watch(mosquitto, TOPICS.status)
    with running(watcher):
        assert watcher.wait_connected(30)
        first = daemon_client(mosquitto)
        first.start()
        assert first.wait_connected(30)
        until(lambda: len(statuses) == 1)
        # The network goes away under the daemon, which connects again by itself.
        first._connection._paho.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        until(lambda: len(statuses) == 3)
        until(lambda: first.connected)
        first.stop()
        until(lambda: len(statuses) == 4)
    assert [(status["state"], status["birth_seq"]) for status in statuses] == [
        ("online", 1),
        ("offline", 1),
        ("online", 2),
        ("offline", 2),
    ]
    assert {status["boot_id"] for status in statuses} == {"BOOT"}
    assert {status["schema"] for status in statuses} == {"asd.status/1"}


def test_the_status_stays_with_the_broker(mosquitto: MosquittoBroker) -> None:
    with running(daemon_client(mosquitto)) as client:
        assert client.wait_connected(30)
        watcher, statuses = watch(mosquitto, TOPICS.status)
        with running(watcher):
            until(lambda: [status["state"] for status in statuses] == ["online"])


def test_a_second_client_of_the_same_name_is_suspected(
    mosquitto: MosquittoBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.LONGEST_RETRY_S", 0.05)
    with (
        capture_logs() as lines,
        running(daemon_client(mosquitto)) as first,
        running(daemon_client(mosquitto, "OTHER")) as second,
    ):
        until(lambda: any("is a second client of our name running" in line.get("problem", "") for line in lines))
        assert first.alive
        assert second.alive


def test_a_birth_count_that_cannot_be_kept_still_counts() -> None:
    def full() -> int:
        raise OSError("disk full")

    presence = Presence(TOPICS, "BOOT", "1", time.time, full)
    for expected in (1, 2):
        will = presence.begin()
        assert json.loads(will.payload)["birth_seq"] == expected
        assert will.retain


def test_listeners_hear_of_connection_and_loss_in_turn(mosquitto: MosquittoBroker) -> None:
    heard: list[bool] = []
    client = new_client(mosquitto)
    client.on_connection(lambda connection: heard.append(connection is not None))
    with running(client):
        assert client.wait_connected(30)
        mosquitto.restart(kill=True)
        until(lambda: heard == [True, False, True])


def test_to_wait_on_the_network_thread_is_refused(mosquitto: MosquittoBroker) -> None:
    problems: list[str] = []
    asked = threading.Event()

    def ask(_topic: str, _payload: bytes) -> None:
        try:
            client.publish_wait("x", b"")
        except RuntimeError as error:
            problems.append(str(error))
        asked.set()

    client = new_client(mosquitto)
    client.subscribe("a/b", ask)
    with running(client):
        assert client.wait_connected(30)
        client.publish_wait("a/b", b"")
        assert asked.wait(60)
    assert problems == ["publish_wait on the network thread would wait for itself; use publish there"]


@pytest.mark.alone
def test_the_client_stops_quickly_whatever_it_is_doing(mosquitto: MosquittoBroker) -> None:
    # Reserved for documentation: nothing answers there.
    for broker in (Broker("127.0.0.1", mosquitto.port), Broker("127.0.0.1", free_port()), Broker("192.0.2.1")):
        client = MqttClient(broker, "client")
        client.start()
        client.wait_connected(0.2)
        begun = time.monotonic()
        client.stop(timeout_s=2.0)
        assert time.monotonic() - begun < 2.5


def test_something_that_is_no_broker_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.ANSWER_TIMEOUT_S", 0.3)
    monkeypatch.setattr("asdstream.mqtt.client.PROBE_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with running(MqttClient(Broker("127.0.0.1", port), "client")) as client:
            assert not client.wait_connected(5)
            assert client.problem == f"whatever listens at 127.0.0.1:{port} does not answer as an MQTT broker does"


def test_an_unknown_host_is_named() -> None:
    with running(MqttClient(Broker("no-such-host.invalid"), "client")) as client:
        client.wait_connected(10)
        assert client.problem is not None
        assert "no-such-host.invalid" in client.problem


def test_certificates_that_cannot_be_read_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nothing of the kind")
    with pytest.raises(MqttError, match=r"ca\.crt is no certificate authority in PEM form"):
        MqttClient(Broker("127.0.0.1", tls=Tls(tmp_path / "ca.crt")), "client")
    with pytest.raises(MqttError, match="are no certificate with its key in PEM form"):
        MqttClient(Broker("127.0.0.1", tls=Tls(None, tmp_path / "ca.crt", tmp_path / "ca.crt")), "client")
