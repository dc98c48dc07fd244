import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from asdstream.service_manager import ServiceManager


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(1.0)
        yield listening


def told(systemd: socket.socket) -> list[str]:
    return systemd.recv(4096).decode().split("\n")


def manager_on(systemd: socket.socket, **environment: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": systemd.getsockname(), **environment}, pid=7)


def test_systemd_is_told_how_the_service_is(systemd: socket.socket) -> None:
    manager = manager_on(systemd)
    manager.ready("16 channels\nheard")
    assert told(systemd) == ["READY=1", "STATUS=16 channels heard"]
    manager.reloading()
    first, since = told(systemd)
    assert first == "RELOADING=1"
    assert since.removeprefix("MONOTONIC_USEC=").isdecimal()
    manager.status("all well")
    assert told(systemd) == ["STATUS=all well"]
    manager.stopping()
    assert told(systemd) == ["STOPPING=1"]


def test_a_sign_of_life_is_due_three_times_within_the_limit(systemd: socket.socket) -> None:
    manager = manager_on(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID="7")
    assert manager.watchdog_s == 30.0
    assert manager.feed_due(100.0)
    manager.feed(100.0)
    assert told(systemd) == ["WATCHDOG=1"]
    assert not manager.feed_due(109.0)
    assert manager.feed_due(110.0)


def test_a_reload_may_take_as_long_as_a_start_before_the_next_sign_of_life(systemd: socket.socket) -> None:
    manager = manager_on(systemd, WATCHDOG_USEC="60000000", WATCHDOG_PID="7")
    manager.reloading()
    assert told(systemd)[2:] == ["WATCHDOG_USEC=300000000"]
    manager.ready("heard")
    assert told(systemd) == ["READY=1", "STATUS=heard", "WATCHDOG_USEC=60000000"]
    unit = (Path(__file__).parents[2] / "systemd" / "asdstream.service").read_text()
    assert "\nTimeoutStartSec=5min\n" in unit, "a reload does what a start does"


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "8"}]
)
def test_nobody_waits_for_a_sign_of_life_that_is_not_asked_of_this_process(environment: dict[str, str]) -> None:
    manager = ServiceManager(environment, pid=7)
    assert manager.watchdog_s is None
    assert not manager.feed_due(1e9)


def test_without_a_service_manager_nothing_happens() -> None:
    with capture_logs() as logs:
        ServiceManager({}).ready("on a terminal")
    assert logs == []


def test_a_service_manager_that_has_gone_is_complained_of_once(tmp_path: Path) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with capture_logs() as logs:
        manager.ready("x")
        manager.stopping()
    assert [entry["event"] for entry in logs] == ["service_manager_unreachable"]


def test_a_socket_may_have_an_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0asdstream-test-notify")
        listening.settimeout(1.0)
        ServiceManager({"NOTIFY_SOCKET": "@asdstream-test-notify"}).stopping()
        assert told(listening) == ["STOPPING=1"]
