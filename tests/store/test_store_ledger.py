"""Alarms on a disk that takes nothing for a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from asdstream.alarms.condition import WindowMemory
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.store.database import StoreError
from asdstream.store.ledger import RETRY_S, Ledger
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.store import Store


class Disk:
    """A store that takes everything or nothing, and a clock."""

    def __init__(self, path: Path, **options: int) -> None:
        self.now = 100.0
        self.store = Store(path)
        self.ledger = Ledger(self.store, lambda: self.now, **options)

    def takes(self, writes: bool) -> None:
        self.store._database.read(f"PRAGMA query_only = {not writes:d}")

    def tell(self, *numbers: int) -> bool:
        return self.ledger.commit([memory(numbers[-1])], [message(number) for number in numbers])

    def waiting(self, limit: int = 1000, after: int = 0) -> list[int]:
        return [int(row.message.payload) for row in self.ledger.outbox_pending(limit, after)]

    def on_disk(self) -> list[int]:
        return [int(row.message.payload) for row in self.store.outbox_pending(1000)]


def message(number: int) -> OutboxMessage:
    return OutboxMessage("event/alarm", str(number).encode())


def memory(number: int) -> AlarmSnapshot:
    return AlarmSnapshot("fan-1", windows=WindowMemory(quiet_windows=number))


def remembered(ledger: Ledger | Store) -> int:
    return ledger.snapshots()["fan-1"].windows.quiet_windows


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "a.db")
    yield made
    made.store.close()


def test_what_the_disk_does_not_take_is_kept_in_order_and_stored_before_what_is_newer(disk: Disk) -> None:
    assert disk.tell(1)
    disk.takes(False)
    assert not disk.tell(2, 3)
    assert not disk.tell(4)
    assert (disk.on_disk(), disk.waiting(), disk.ledger.held) == ([1], [1, 2, 3, 4], 3)
    assert (remembered(disk.store), remembered(disk.ledger)) == (1, 4)
    assert "readonly" in str(disk.ledger.problem)
    disk.takes(True)
    disk.now += RETRY_S
    assert disk.tell(5)
    assert disk.on_disk() == disk.waiting() == [1, 2, 3, 4, 5]
    assert remembered(disk.store) == 5
    assert (disk.ledger.problem, disk.ledger.held) == (None, 0)
    assert disk.tell(6)
    assert disk.on_disk() == [1, 2, 3, 4, 5, 6]


def test_a_disk_that_takes_nothing_is_not_tried_for_every_transition(disk: Disk) -> None:
    disk.takes(False)
    disk.tell(1)
    disk.takes(True)
    assert not disk.tell(2)
    disk.now += RETRY_S
    assert disk.tell(3)


def test_the_fault_and_its_end_are_said_once(disk: Disk) -> None:
    with capture_logs() as logs:
        disk.takes(False)
        for number in range(5):
            disk.tell(number)
            disk.now += RETRY_S
        disk.takes(True)
        assert disk.ledger.settle()
        assert disk.ledger.settle()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("disk_takes_nothing", "error"),
        ("disk_takes_again", "warning"),
    ]
    assert logs[1]["messages_held"] == 5


def test_an_alarm_keeps_its_place_while_it_moves_from_memory_to_disk(disk: Disk) -> None:
    disk.tell(1)
    disk.takes(False)
    disk.tell(2, 3)
    before = disk.ledger.outbox_pending(10)
    disk.takes(True)
    assert disk.ledger.settle()
    assert disk.ledger.outbox_pending(10) == before
    disk.tell(4)
    assert disk.waiting(after=before[-1].id) == [4]


def test_what_the_broker_has_meanwhile_is_not_stored_any_more_and_what_it_led_to_is(disk: Disk) -> None:
    disk.tell(1)
    disk.takes(False)
    disk.tell(2)
    latest = disk.ledger.outbox_pending(10)[-1].id
    disk.ledger.outbox_done(*(row.id for row in disk.ledger.outbox_pending(10)))
    assert disk.waiting() == []
    assert disk.ledger.outbox_size() == 0
    assert disk.on_disk() == [1], "it could not be deleted"
    disk.takes(True)
    assert disk.ledger.settle()
    assert (disk.on_disk(), remembered(disk.store)) == ([], 2)
    disk.tell(3)
    assert disk.waiting(after=latest) == [3], "no id comes back"


def test_an_acknowledgement_that_cannot_be_noted_is_remembered_until_it_can(disk: Disk) -> None:
    disk.tell(1, 2, 3)
    first, second, _ = (row.id for row in disk.ledger.outbox_pending(10))
    disk.takes(False)
    disk.ledger.outbox_done(first)
    disk.ledger.outbox_done(second)
    assert disk.waiting(limit=1) == [3]
    assert disk.ledger.outbox_size() == 1
    disk.takes(True)
    assert disk.ledger.settle()
    assert disk.on_disk() == [3]


def test_of_a_disk_that_cannot_be_read_any_more_memory_is_still_told(disk: Disk) -> None:
    disk.tell(1)
    disk.store.close()
    with pytest.raises(StoreError, match="cannot be read"):
        disk.ledger.outbox_pending(10)
    disk.tell(2)
    assert disk.waiting() == [2]
    assert disk.ledger.outbox_size() == 1


def test_what_was_passed_over_on_a_disk_that_could_not_be_read_comes_once_it_can(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.tell(1)
    with monkeypatch.context() as patch:

        def unreadable(*_: object) -> None:
            raise StoreError("disk I/O error")

        for name in ("commit", "catch_up", "outbox_pending"):
            patch.setattr(disk.store, name, unreadable)
        disk.tell(2, 3)
        (first, second) = disk.ledger.outbox_pending(10)
        assert (first.message, second.message) == (message(2), message(3))
    disk.now += RETRY_S
    assert disk.ledger.settle()
    assert disk.waiting(after=second.id) == [1, 2, 3]
    assert disk.waiting(after=second.id) == []


def test_births_go_on_from_where_the_disk_was(disk: Disk) -> None:
    assert disk.ledger.next_birth() == 1
    disk.takes(False)
    assert disk.ledger.next_birth() == 2
    disk.takes(True)
    assert disk.ledger.next_birth() == 2


def test_memory_is_bounded_and_what_is_lost_at_the_very_end_is_counted_and_said(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "a.db", max_held_bytes=5_100)
    disk.takes(False)
    with capture_logs() as logs:
        for number in range(30):
            disk.tell(number)
    assert disk.waiting() == list(range(20, 30))
    assert disk.ledger.lost == 20
    assert [line["event"] for line in logs] == ["disk_takes_nothing", "alarm_events_lost"]
    disk.store.close()


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.sampled_from(["tell", "full", "room", "send", "lost", "restart"]), max_size=30))
def test_whatever_the_disk_and_the_broker_do_everything_is_delivered_in_order(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a.db"
    disk, latest, made, delivered, full = Disk(path), 0, 0, [], False

    def send() -> None:
        nonlocal latest
        for row in disk.ledger.outbox_pending(3, latest):
            assert row.id > latest
            latest = row.id
            delivered.append(int(row.message.payload))
            disk.ledger.outbox_done(row.id)

    for step in [*steps, "room"]:
        disk.now += RETRY_S / 2
        if step == "tell":
            disk.tell(made := made + 1)
        elif step in ("full", "room"):
            full = step == "full"
            disk.takes(not full)
        elif step == "send":
            send()
        elif step == "lost":
            latest = 0
        elif step == "restart" and not full and disk.ledger.settle():
            now = disk.now
            disk.store.close()
            disk, latest = Disk(path), 0
            disk.now = now
    assert disk.ledger.settle()
    while disk.waiting():
        latest = 0
        send()
    assert delivered == list(range(1, made + 1))
    assert not made or remembered(disk.store) == made
    disk.store.close()
