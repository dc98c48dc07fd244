"""Who may connect, and who may do what, on a real Mosquitto; the configuration in conf/mosquitto is the one tested."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from certificates import Certificates
from mosquitto_broker import MosquittoBroker
from processes import wait_until
from shipped_broker import CONF, PASSWORDS, make_shipped_broker
from structlog.testing import capture_logs

from asdstream import config
from asdstream.mqtt.broker import Broker, Tls
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.topics import Topics
from asdstream.wiring import broker_of

TOPICS = Topics("plant-1", "press-hall")
DISCOVERY = "homeassistant/device/asdstream-plant-1-press-hall/config"


@contextmanager
def running(client: MqttClient, *, connects: bool = True) -> Iterator[MqttClient]:
    client.start()
    try:
        assert client.wait_connected(30) == connects, client.problem
        yield client
    finally:
        client.stop()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[MosquittoBroker]:
    broker = make_shipped_broker(tmp_path_factory.mktemp("shipped"), certificates)
    broker.start()
    yield broker
    broker.stop(kill=True)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.mqtt.client.FIRST_RETRY_S", 0.05)
    monkeypatch.setattr("asdstream.mqtt.client.LONGEST_RETRY_S", 0.05)


@pytest.fixture
def client_of(shipped: MosquittoBroker, certificates: Certificates) -> Callable[..., MqttClient]:
    def make(user: str, protocol: str = "5") -> MqttClient:
        return MqttClient(
            Broker(
                shipped.host,
                shipped.port,
                protocol=protocol,  # type: ignore[arg-type]
                username=user,
                password=PASSWORDS[user],
                tls=Tls(certificates.crt("ca")),
            ),
            f"test-{user}",
        )

    return make


def test_the_example_is_for_the_configuration_that_ships() -> None:
    site = tomllib.loads((CONF / "asdstream.toml").read_text())["site"]
    root = Topics(site["name"], site["node"]).root
    rules = (CONF / "mosquitto" / "asdstream.acl").read_text()
    assert f"topic write {root}/#" in rules
    assert f"homeassistant/device/asdstream-{site['name']}-{site['node']}/config" in rules


@pytest.mark.parametrize("protocol", ["5", "3.1.1", "auto"])
def test_the_daemon_gets_in_with_what_its_configuration_names(
    shipped: MosquittoBroker,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (credentials / "mqtt-password").write_text(PASSWORDS["asdstream"] + "\n")
    (credentials / "ca.pem").write_bytes(certificates.crt("ca").read_bytes())
    settings = config.parse(
        f"""
[mqtt]
port = {shipped.port}
protocol = "{protocol}"
username = "asdstream"
password_file = "mqtt-password"
[mqtt.tls]
ca_file = "ca.pem"
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = {{ kind = "mqtt" }}
""",
        tmp_path / "asdstream.toml",
    )
    with running(MqttClient(broker_of(settings.mqtt), "daemon")) as client:
        assert client.protocol == ("5" if protocol == "auto" else protocol)
        assert client.publish_wait(TOPICS.status, b"{}")


MAY_WRITE = {
    "asdstream": [
        TOPICS.status,
        TOPICS.info,
        TOPICS.score("fan-1"),
        TOPICS.health("fan-1"),
        TOPICS.alarm_event,
        TOPICS.alarm_state("fan-1.anomaly"),
        TOPICS.reply("T1"),
        DISCOVERY,
    ],
    "dashboard": [TOPICS.command("ack"), "asd/v1/other/node/cmd/ack"],
    "sensor-fan-1": [TOPICS.audio("fan-1")],
    "homeassistant": ["homeassistant/status"],
}
MAY_NOT_WRITE = {
    "asdstream": ["asd/v1/plant-1/other/status", "homeassistant/status", "homeassistant/device/other/config", "x"],
    "dashboard": [TOPICS.status, TOPICS.alarm_event, TOPICS.audio("fan-1"), f"{TOPICS.root}/cmd/a/b", "x"],
    "sensor-fan-1": [TOPICS.audio("pump"), TOPICS.score("fan-1"), TOPICS.status, TOPICS.command("ack"), "x"],
    "homeassistant": [TOPICS.command("ack"), TOPICS.status, DISCOVERY, "x"],
}


@pytest.mark.parametrize("user", PASSWORDS)
def test_each_user_may_write_what_is_its_own_and_nothing_else(client_of: Callable[..., MqttClient], user: str) -> None:
    with running(client_of(user)) as client:
        assert [topic for topic in MAY_WRITE[user] if not client.publish_wait(topic, b"{}")] == []
        assert [topic for topic in MAY_NOT_WRITE[user] if client.publish_wait(topic, b"{}")] == []


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_each_user_reads_what_it_needs_and_nothing_else(client_of: Callable[..., MqttClient], protocol: str) -> None:
    heard: dict[str, set[str]] = {user: set() for user in PASSWORDS}
    everything = [topic for topics in MAY_WRITE.values() for topic in topics]
    ours = {topic for topic in everything if topic.startswith("asd/v1/")}
    discovery = {DISCOVERY, "homeassistant/status"}
    expected = {
        "asdstream": {TOPICS.status, TOPICS.command("ack"), TOPICS.reply("T1"), TOPICS.audio("fan-1")} | discovery,
        "dashboard": ours,
        "sensor-fan-1": set(),
        "homeassistant": ours | discovery,
    }
    with ExitStack() as stack:
        clients = {user: client_of(user, protocol) for user in PASSWORDS}
        for user, client in clients.items():
            client.subscribe("#", lambda topic, _payload, user=user: heard[user].add(topic), qos=1)
            stack.enter_context(running(client))
            # The broker answers in order, so that the subscription stands when this has been taken.
            assert client.publish_wait(MAY_WRITE[user][0], b"{}")
        for user, topics in MAY_WRITE.items():
            for topic in topics:
                assert clients[user].publish_wait(topic, b"{}")
        assert wait_until(lambda: all(heard[user] >= expected[user] for user in PASSWORDS)), heard
        # Whatever has been let through by mistake has come by now: the broker sends in order.
        assert clients["asdstream"].publish_wait(TOPICS.status, b"{}")
    assert heard == expected


def test_a_stranger_gets_in_neither_without_a_name_nor_without_tls(
    shipped: MosquittoBroker, certificates: Certificates, quick_retries: None
) -> None:
    nameless = Broker(shipped.host, shipped.port, tls=Tls(certificates.crt("ca")))
    with running(MqttClient(nameless, "stranger"), connects=False) as client:
        assert client.problem == (
            f"the broker at {shipped.host}:{shipped.port} refused the connection without a user name: not authorized; "
            "set mqtt.username"
        )
    plain = Broker(shipped.host, shipped.port, username="dashboard", password=PASSWORDS["dashboard"])
    with running(MqttClient(plain, "stranger"), connects=False) as client:
        assert client.problem == (
            f"whatever listens at {shipped.host}:{shipped.port} hangs up at once: if it expects TLS, add a table "
            "mqtt.tls"
        )


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password_is_said_in_one_sentence_and_tried_again(
    shipped: MosquittoBroker, certificates: Certificates, quick_retries: None, protocol: str
) -> None:
    broker = Broker(
        shipped.host,
        shipped.port,
        protocol=protocol,  # type: ignore[arg-type]
        username="asdstream",
        password="wrong",  # noqa: S106
        tls=Tls(certificates.crt("ca")),
    )
    tried = shipped.log.count("disconnected, not authorised")
    with capture_logs() as lines, running(MqttClient(broker, "daemon"), connects=False) as client:
        assert client.problem == (
            f'the broker at {shipped.host}:{shipped.port} refused the connection as user "asdstream": not authorized; '
            "check mqtt.password_file"
        )
        assert wait_until(lambda: shipped.log.count("disconnected, not authorised") >= tried + 3)
    assert [line["event"] for line in lines] == ["mqtt_not_connected"], "said once, however often it is tried"
    assert "wrong" not in str(lines)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("expired", "it has expired"),
        (
            "elsewhere",
            'it was made for another name than "127.0.0.1"; mqtt.host should be a name that stands in it',
        ),
        (
            "strange",
            "no authority known here has signed it; mqtt.tls.ca_file should be the certificate of the one that did",
        ),
    ],
)
def test_a_broker_that_is_not_the_right_one_is_told_nothing_until_it_is(
    mosquitto_with: Callable[..., MosquittoBroker],
    certificates: Certificates,
    tmp_path: Path,
    quick_retries: None,
    certificate: str,
    reason: str,
) -> None:
    shown = {kind: tmp_path / f"shown.{kind}" for kind in ("crt", "key")}

    def show(name: str) -> None:
        shown["crt"].write_bytes(certificates.crt(name).read_bytes())
        shown["key"].write_bytes(certificates.key(name).read_bytes())

    show(certificate)
    broker = mosquitto_with(f"cafile {certificates.crt('ca')}", f"certfile {shown['crt']}", f"keyfile {shown['key']}")
    broker.start()
    right = Broker(broker.host, broker.port, tls=Tls(certificates.crt("ca")))
    with capture_logs() as lines, running(MqttClient(right, "daemon"), connects=False) as client:
        expected = f"the certificate of the broker at {broker.host}:{broker.port} is not trusted: {reason}"
        assert client.problem == expected
        assert [line["problem"] for line in lines] == [expected]
        assert "New client connected" not in broker.log
        show("broker")
        broker.restart()
        assert wait_until(lambda: client.connected), client.problem


def test_without_its_authority_the_broker_is_not_trusted(shipped: MosquittoBroker, quick_retries: None) -> None:
    with running(MqttClient(Broker(shipped.host, shipped.port, tls=Tls()), "daemon"), connects=False) as client:
        assert client.problem is not None
        assert "no authority known here has signed it" in client.problem


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_may_ask_for_a_certificate_of_its_own_authority(
    mosquitto_with: Callable[..., MosquittoBroker], certificates: Certificates, quick_retries: None, protocol: str
) -> None:
    broker = mosquitto_with(*certificates.listener(), "require_certificate true")
    broker.start()
    address, ca = f"{broker.host}:{broker.port}", certificates.crt("ca")

    def client_with(tls: Tls) -> MqttClient:
        return MqttClient(Broker(broker.host, broker.port, protocol=protocol, tls=tls), "daemon")  # type: ignore[arg-type]

    with running(client_with(Tls(ca, certificates.crt("edge"), certificates.key("edge")))) as client:
        assert client.publish_wait("a", b"secret")
    with running(client_with(Tls(ca)), connects=False) as client:
        assert client.problem == (
            f"the broker at {address} hangs up as soon as TLS stands: if it asks for a client certificate, set "
            "mqtt.tls.cert_file and key_file"
        )
    strange = Tls(ca, certificates.crt("strange"), certificates.key("strange"))
    with running(client_with(strange), connects=False) as client:
        assert client.problem == (
            f"the broker at {address} hangs up as soon as TLS stands: it may not accept the client certificate "
            f"{certificates.crt('strange')}"
        )


def test_tls_where_the_broker_speaks_none_is_said_to_be_the_wrong_port(
    mosquitto: MosquittoBroker, certificates: Certificates, quick_retries: None
) -> None:
    broker = Broker(mosquitto.host, mosquitto.port, tls=Tls(certificates.crt("ca")))
    with running(MqttClient(broker, "daemon"), connects=False) as client:
        assert client.problem is not None
        assert client.problem.startswith(f"no TLS with the broker at {mosquitto.host}:{mosquitto.port}: ")
        assert client.problem.endswith("; is that its port for TLS?")
