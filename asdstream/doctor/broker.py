"""The way to the broker and back, one step after the other: where it ends is what is wrong."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator

from ulid import ULID

from asdstream.config import MqttSection, SiteSection
from asdstream.doctor.finding import Finding, State, failed, ok
from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.errors import MqttError
from asdstream.mqtt.topics import Topics
from asdstream.mqtt.unreachable import unreachable
from asdstream.wiring import broker_of

STEP_S = 5.0
ACCESS = "grant it as conf/mosquitto/asdstream.acl shows"


def look_at_login(section: MqttSection) -> Iterator[Finding]:
    """Whether the broker takes this user, in one finding: the short way."""
    broker = broker_of(section)
    client = MqttClient(broker, f"asdstream-check-{ULID()}")
    client.start()
    try:
        yield _login("broker", client, broker)
    finally:
        client.stop()


def look_at_broker(section: MqttSection, site: SiteSection) -> Iterator[Finding]:
    """Name, TCP, TLS, login, subscription, publication and the time of a round trip; the first failure is the last."""
    broker = broker_of(section)
    try:
        addresses = socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield failed("broker: name", unreachable(error, broker, STEP_S), f"getent hosts {broker.host}; mend mqtt.host")
        return
    found = str(addresses[0][4][0])
    yield ok("broker: name", f"{broker.host} is {found}")
    try:
        connection = socket.create_connection((broker.host, broker.port), STEP_S)
    except OSError as error:
        yield failed(
            "broker: TCP",
            unreachable(error, broker, STEP_S),
            "on the broker: systemctl status mosquitto, and see its listener and the firewall",
        )
        return
    with connection:
        yield ok("broker: TCP", f"{broker.address} takes connections")
        if broker.tls is not None:
            finding = _tls(broker, connection)
            yield finding
            if finding.state is not State.OK:
                return
    yield from _mqtt(broker, Topics(site.name, site.node))


def _tls(broker: Broker, connection: socket.socket) -> Finding:
    assert broker.tls is not None  # noqa: S101 - the caller has asked
    try:
        with broker.tls.context().wrap_socket(connection, server_hostname=broker.host) as secured:
            return ok("broker: TLS", f"{secured.version()}, and the certificate is trusted")
    except MqttError as error:
        return failed("broker: TLS", str(error), "mend the table mqtt.tls")
    except OSError as error:
        mend = "mend mqtt.port or the table mqtt.tls"
        if isinstance(error, ssl.SSLCertVerificationError):
            mend = f"openssl s_client -connect {broker.address} -showcerts; mend mqtt.tls.ca_file or mqtt.host"
        return failed("broker: TLS", unreachable(error, broker, STEP_S), mend)


def _mqtt(broker: Broker, topics: Topics) -> Iterator[Finding]:
    transaction = f"doctor-{ULID()}"
    topic, payload = topics.reply(transaction), b"{}"
    came = threading.Event()
    client = MqttClient(broker, f"asdstream-{transaction}")
    client.subscribe(topic, lambda _topic, _payload: came.set(), qos=1, max_bytes=1024)
    client.start()
    try:
        login = _login("broker: login", client, broker)
        yield login
        if login.state is State.OK:
            yield from _round_trip(client, topics, topic, payload, came)
    finally:
        client.stop()


def _login(subject: str, client: MqttClient, broker: Broker) -> Finding:
    if client.wait_connected(STEP_S):
        return ok(subject, f"{broker.address} answers, MQTT {client.protocol}, {_as_whom(broker)}")
    says = client.problem or f"no answer from {broker.address} within {STEP_S:.0f} s"
    return failed(subject, says, "mend mqtt.username and mqtt.password_file, or the broker's accounts")


def _round_trip(
    client: MqttClient, topics: Topics, topic: str, payload: bytes, came: threading.Event
) -> Iterator[Finding]:
    begun = time.monotonic()
    taken = client.publish_wait(topic, payload, timeout_s=STEP_S)
    # Asked for at the start of the connection, so the broker has answered that before it takes a message.
    if topic in client.refused:
        yield failed("broker: subscribe", f"this user may not read {topics.root}/reply/+", ACCESS)
        return
    yield ok("broker: subscribe", f"may read {topics.root}/reply/+")
    if not taken:
        yield failed("broker: publish", f"this user may not write below {topics.root}", ACCESS)
        return
    yield ok("broker: publish", f"may write below {topics.root}")
    if not came.wait(STEP_S):
        # With MQTT 3.1.1 a broker has no way to refuse a message: it takes it and drops it.
        yield failed(
            "broker: round trip",
            f"what was published on {topic} did not come back within {STEP_S:.0f} s, as when this user may not write "
            f"below {topics.root}",
            ACCESS,
        )
        return
    yield ok("broker: round trip", f"{1000 * (time.monotonic() - begun):.0f} ms")


def _as_whom(broker: Broker) -> str:
    return "without a user name" if broker.username is None else f'as user "{broker.username}"'
