"""The daemon under a service manager: what it tells systemd, and a configuration that changes under it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notify_socket import NotifySocket
from processes import DaemonProcess, wait_until

MakeConfig = Callable[..., Path]
NOBODY_LISTENS = 9


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    listening = NotifySocket(tmp_path / "notify")
    yield listening
    listening.close()


def test_systemd_hears_of_start_life_reload_and_end_and_no_broker_is_needed_for_it(
    make_config: MakeConfig, manager: NotifySocket
) -> None:
    config = make_config('{ kind = "simulator" }', NOBODY_LISTENS)
    daemon = DaemonProcess(config, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="1500000")
    try:
        assert wait_until(lambda: manager.heard("READY=1"))
        assert "STATUS=listens to 1 channels" in manager.told
        assert wait_until(lambda: manager.heard("WATCHDOG=1", 3))

        right = config.read_text()
        config.write_text(right.replace("[engine]", "[engine]\nthreds = 1"))
        daemon.send(signal.SIGHUP)
        assert wait_until(lambda: manager.heard("READY=1", 2))
        assert "threds" in daemon.wait_for("reload_refused")["problem"]
        assert len(daemon.said("started")) == 1

        config.write_text(
            right + '[[channels]]\nid = "fan-2"\nmachine = "fan-2"\nmachine_type = "fan"\n'
            'source = { kind = "simulator", seed = 5 }\n'
        )
        daemon.send(signal.SIGHUP)
        assert wait_until(lambda: manager.heard("STATUS=listens to 2 channels"))
        assert wait_until(lambda: len(daemon.said("started")) == 2)
        assert [line["channels"] for line in daemon.said("started")] == [1, 2]
        assert not manager.heard("STOPPING=1"), "the service goes on"
        code, _ = daemon.stop()
        assert code == 0
        assert manager.heard("STOPPING=1")
    finally:
        daemon.kill()
