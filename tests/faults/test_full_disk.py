"""The disk is full: when an alarm comes, when the broker is away as well, when the daemon starts."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faults.account import settle
from faults.journal import Transition
from faults.plant import Plant
from processes import wait_until

from asdstream.store.database import StoreError
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.store import Store

SIZE = "2m"


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filling = folder / "filling"

    def fill(self) -> None:
        """Until not even one byte more is taken."""
        with self._filling.open("ab", buffering=0) as file:
            for piece in (64 * 1024, 1024, 1):
                try:
                    while file.write(bytes(piece)):
                        pass
                except OSError:
                    continue
        assert os.statvfs(self.folder).f_bavail == 0

    def make_room(self) -> None:
        self._filling.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a disk to be filled takes the right to mount one: {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(120)
def test_no_transition_is_lost_while_the_disk_is_full_and_the_broker_is_away_as_well(
    plant: Plant, disk: SmallDisk, small_bundle: Path, record_property: Callable[[str, object], None]
) -> None:
    config = plant.write_config(small_bundle, store=str(disk.folder / "state.db"))
    config.write_text(config.read_text().replace("[alarms]", "[alarms]\ndisk_after_s = 0.0\ntechnical_clear_s = 0.0"))

    def more(count: int) -> None:
        before = len(plant.daemon.said("alarm"))
        assert wait_until(lambda: len(plant.daemon.said("alarm")) >= before + count, 30), plant.daemon.log[-5:]

    def seen(kind: str, transition: str) -> bool:
        return any((t.alarm_id, t.name) == (kind, transition) for t in list(plant.witness.events))

    plant.start(config)
    plant.daemon.wait_for("mqtt_connected")
    more(10)
    disk.fill()
    plant.daemon.wait_for("disk_takes_nothing")
    more(10)
    assert wait_until(lambda: seen("disk", "raised"), 10), "the alarm about the disk is told although it is full"
    plant.broker.stop(kill=True)
    more(10)
    plant.restart_broker()
    more(10)
    assert plant.daemon.code is None
    disk.make_room()
    assert plant.daemon.wait_for("disk_takes_again")["messages_lost"] == 0
    more(10)
    assert wait_until(lambda: seen("disk", "cleared"), 10)
    assert plant.daemon.end() == 0
    first = plant.daemon
    assert [line["event"] for line in first.complaints] == ["disk_takes_nothing"], "said once"
    standing = transitions(first.said("alarm"))
    with closing(Store(disk.folder / "state.db")) as store:
        assert store.outbox_size() == 0
        births = store.births()
        now = {state.alarm_id for state in store.alarms() if state.active}
    assert now == {one.alarm_id for one in latest(standing) if one.name != "cleared"}, "the disk knows how they stand"

    assert not (disk.folder / "state.db-shm").exists()
    disk.fill()
    plant.start(config)
    plant.daemon.wait_for("started")
    more(10)
    assert plant.witness.messages["status"]["birth_seq"] > births
    # The disk takes nothing to the very end; whoever listens is told all the same.
    assert plant.daemon.end() == 0
    assert not plant.daemon.said("alarm_messages_lost")

    made = [one for daemon in plant.daemons for one in transitions(daemon.said("alarm"))]
    wait_until(lambda: {one.event_id for one in made} <= {one.event_id for one in list(plant.witness.events)}, 10)
    account = settle(list(plant.witness.events), made)
    record_property("account", account)
    account.check()


def test_a_store_on_a_full_disk_can_be_read_and_is_shared_again_once_there_is_room(disk: SmallDisk) -> None:
    path = disk.folder / "a.db"
    store = Store(path)
    store.commit([], [OutboxMessage("event/alarm", b"1")])
    store.close()
    disk.fill()
    full = Store(path)
    assert full.outbox_size() == 1
    with pytest.raises(StoreError, match="cannot be written: database or disk is full"):
        full.commit([], [OutboxMessage("event/alarm", b"2")])
    assert full.outbox_size() == 1
    disk.make_room()
    full.commit([], [OutboxMessage("event/alarm", b"2")])
    with closing(Store(path)) as other:
        assert other.outbox_size() == full.outbox_size() == 2
    full.close()


def test_a_store_that_cannot_even_be_made_is_said_in_one_sentence(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(StoreError, match=r"The database .*a\.db cannot be used: .*(disk|full|I/O)"):
        Store(disk.folder / "a.db")


def transitions(lines: list[dict[str, str]]) -> list[Transition]:
    """From what a daemon has logged, which no disk keeps it from."""
    return [
        Transition(line["event_id"], ".".join(filter(None, (line["channel"], line["kind"]))), line["transition"], "")
        for line in lines
    ]


def latest(made: list[Transition]) -> list[Transition]:
    """Of each alarm."""
    return list({one.alarm_id: one for one in made}.values())
