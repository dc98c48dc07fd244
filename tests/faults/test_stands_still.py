"""A thread that stands still keeps the watchdog from being fed, and nothing else does."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.plant import Plant
from mosquitto_broker import MosquittoBroker
from notify_socket import NotifySocket
from paho.mqtt.client import Client
from processes import wait_until
from structlog.testing import capture_logs

from asdstream.audio.capture import Capture
from asdstream.command_desk import CommandDesk
from asdstream.config import parse
from asdstream.daemon import Daemon
from asdstream.engine.loop import EngineLoop
from asdstream.judge import Judge
from asdstream.mqtt.outbox_publisher import OutboxPublisher
from asdstream.service_manager import ServiceManager
from asdstream.store.room import RoomKeeper

STILL = {
    "asdstream.daemon.STILL_S": 2.0,
    "asdstream.daemon.ROOM_EVERY_S": 0.2,
    "asdstream.mqtt.outbox_publisher.LOOK_AGAIN_S": 0.2,
}
FEED_S = 0.5
WATCHDOG = str(round(3 * FEED_S * 1e6))
"""Microseconds, of which a third passes between two signs of life."""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listening = NotifySocket(tmp_path / "notify")
    yield listening
    listening.close()


@pytest.mark.timeout(1200)
def test_a_recording_whose_disk_hangs_stops_the_signs_of_life_until_it_can_be_read(
    plant: Plant, small_bundle: Path, played: Path, systemd: NotifySocket
) -> None:
    plant.recordings = plant.folder / "recordings"
    shutil.copytree(played, plant.recordings)
    plant.write_config(small_bundle)
    plant.start(constants=STILL, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC=WATCHDOG)
    assert wait_until(lambda: systemd.heard("WATCHDOG=1", 3), PATIENCE_S)
    plant.more_transitions(4)

    # To open a pipe lasts until somebody writes, as to open a file does on a share whose server has gone.
    hanging = plant.recordings / "fan-1" / "strange.wav"
    hanging.unlink()
    os.mkfifo(hanging)
    assert plant.daemon.wait_for("stands_still")["workers"] == ["capture"]
    fed = systemd.count("WATCHDOG=1")
    time.sleep(3 * FEED_S)
    assert systemd.count("WATCHDOG=1") == fed
    assert plant.daemon.code is None, "to end it is the service manager's business"

    recording = (played / "fan-1" / "strange.wav").read_bytes()
    pipe = os.open(hanging, os.O_WRONLY)
    hanging.unlink()
    hanging.write_bytes(recording)
    os.close(pipe)
    assert wait_until(lambda: systemd.heard("WATCHDOG=1", fed + 3), PATIENCE_S)
    plant.more_transitions(4)
    plant.account().check()
    assert plant.daemon.end() == 0


def named_still(plant: Plant) -> set[str]:
    """Every thread that was ever said to stand still; others may stop before those that one waits for."""
    return {worker for line in plant.daemon.said("stands_still") for worker in line["workers"]}


@pytest.mark.timeout(1200)
def test_a_database_that_somebody_else_keeps_locked_stops_them_too(plant: Plant, systemd: NotifySocket) -> None:
    plant.start(constants=STILL, NOTIFY_SOCKET=str(systemd.path), WATCHDOG_USEC=WATCHDOG)
    plant.more_transitions(4)
    with closing(sqlite3.connect(plant.journal.path, isolation_level=None, timeout=10.0)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        assert wait_until(lambda: {"judge", "outbox"} & named_still(plant), PATIENCE_S), named_still(plant)
        fed = systemd.count("WATCHDOG=1")
        backup.execute("ROLLBACK")
    assert wait_until(lambda: systemd.heard("WATCHDOG=1", fed + 3), PATIENCE_S)
    plant.more_transitions(4)
    account = plant.account()
    # Whoever loses patience with the lock tells from memory, and what the broker then has is in no journal.
    told_from_memory = sum(line["messages_held"] for line in plant.daemon.said("disk_takes_again"))
    if told_from_memory:
        assert (account.lost, account.disordered) == ((), ()), account
        assert len(account.invented) <= told_from_memory, account
    else:
        account.check()
    assert plant.daemon.end() == 0


class FedWatchdog(ServiceManager):
    """Counts the signs of life."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "300000"})
        self.fed = 0

    def feed(self, now: float) -> None:
        super().feed(now)
        self.fed += 1


STAGES = {
    "capture": (Capture, "round"),
    "engine": (EngineLoop, "step"),
    "judge": (Judge, "check"),
    "commands": (CommandDesk, "step"),
    "room": (RoomKeeper, "keep"),
    "mqtt": (Client, "loop"),
    "outbox": (OutboxPublisher, "_take"),
}
"""What each thread calls in every round."""


@pytest.mark.timeout(600)
def test_each_thread_by_itself_stops_the_signs_of_life_while_it_stands_still(
    mosquitto: MosquittoBroker, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.daemon.STILL_S", 0.8)
    monkeypatch.setattr("asdstream.daemon.ROOM_EVERY_S", 0.1)
    monkeypatch.setattr("asdstream.mqtt.outbox_publisher.LOOK_AGAIN_S", 0.1)
    goes_on = {name: threading.Event() for name in STAGES}
    for name, (owner, method) in STAGES.items():
        goes_on[name].set()
        monkeypatch.setattr(owner, method, held_up(getattr(owner, method), goes_on[name]))
    config = parse(
        f'bundle = "{small_bundle}"\nmqtt.port = {mosquitto.port}\nengine.threads = 1\nengine.max_batch = 1\n'
        '[[channels]]\nid = "fan-1"\nmachine = "fan-1"\nmachine_type = "fan"\nsource = { kind = "mqtt" }\n',
        tmp_path / "asdstream.toml",
    )
    watchdog, stop = FedWatchdog(), threading.Event()
    with capture_logs() as lines:
        daemon = Daemon(config, watchdog)
        running = threading.Thread(target=daemon.run, args=(stop,), daemon=True)
        running.start()
        try:
            assert wait_until(lambda: watchdog.fed > 2, PATIENCE_S)
            for name, event in goes_on.items():
                event.clear()
                said = len(lines)
                assert wait_until(lambda name=name, said=said: named(lines[said:], name), PATIENCE_S), name
                fed = watchdog.fed
                time.sleep(0.3)
                assert watchdog.fed == fed, name
                event.set()
                assert wait_until(lambda fed=fed: watchdog.fed > fed + 1, PATIENCE_S), name
        finally:
            for event in goes_on.values():
                event.set()
            stop.set()
            running.join(PATIENCE_S)
    assert not running.is_alive()


def held_up(method: Callable[..., object], goes_on: threading.Event) -> Callable[..., object]:
    """The same, but it stands still until it may go on."""

    def wait_first(*arguments: object, **more: object) -> object:
        goes_on.wait()
        return method(*arguments, **more)

    return wait_first


def named(lines: list[dict[str, object]], name: str) -> bool:
    """Whether the log says of just that thread that it stands still."""
    return any(line["event"] == "stands_still" and line["workers"] == [name] for line in lines)
