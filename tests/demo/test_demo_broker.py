"""The broker inside the demo, where it cannot be."""

import socket

import pytest
from amqtt.broker import Broker
from mosquitto_broker import free_port

from asdstream.demo.broker import DemoBrokerError, EmbeddedBroker


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DemoBrokerError, match=f"Port {port} on 127"), EmbeddedBroker(port):
            pass


def test_a_broker_that_does_not_start_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Broker) -> None:
        raise RuntimeError("no listener")

    monkeypatch.setattr(Broker, "start", fails)
    with pytest.raises(DemoBrokerError, match="did not start on port"), EmbeddedBroker(free_port()):
        pass
