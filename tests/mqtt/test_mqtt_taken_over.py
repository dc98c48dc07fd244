"""A broker that gives our place to another client says so in its last words, which a busy client must not miss."""

import socket
import threading
from collections.abc import Iterator

import pytest
from processes import wait_until

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient

WELCOME = b"\x20\x03\x00\x00\x00"
NOTHING_NEW = b"\xd0\x00"
"""A PINGRESP."""
TAKEN_OVER = b"\xe0\x01\x8e"
TAKEN_OVER_WITH_REASON = b"\xe0\x0b\x8e\x09\x1f\x00\x06gone!!"


class CurtBroker:
    """Welcomes one client, hears of one message, and hangs up on it with `last_words` behind much else to be read."""

    def __init__(self, last_words: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._last_words = last_words
        self.hung_up = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        client, _ = self._server.accept()
        client.recv(4096)
        client.sendall(WELCOME)
        client.recv(1)
        client.sendall(100 * NOTHING_NEW + self._last_words)
        # What it has not read yet makes the kernel refuse whatever else is written to it.
        client.close()
        self._server.close()
        self.hung_up.set()


@pytest.fixture(params=[TAKEN_OVER, TAKEN_OVER_WITH_REASON])
def broker(request: pytest.FixtureRequest) -> Iterator[CurtBroker]:
    made = CurtBroker(request.param)
    yield made
    made.close()


def test_a_client_that_is_writing_still_learns_why_the_broker_has_hung_up(broker: CurtBroker) -> None:
    client = MqttClient(Broker("127.0.0.1", broker.port, protocol="5"), "busy")
    client.start()
    assert client.wait_connected(30)
    while client.connected:
        client.publish("a/topic", bytes(1000))
    assert broker.hung_up.wait(60)
    assert wait_until(lambda: "not connected" not in (client.problem or "not connected"))
    client.stop()
    assert "gave our place to another client of the same name" in (client.problem or "")
