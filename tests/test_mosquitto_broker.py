"""Ports that tests are given to use later."""

import socket

from mosquitto_broker import PORTS, claimed, free_port


def test_a_port_that_a_test_was_given_is_not_given_to_another() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert set(ports) <= set(PORTS)
    assert not any(claimed(port) for port in ports)


def test_a_port_that_somebody_listens_on_is_given_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not claimed(server.getsockname()[1])
