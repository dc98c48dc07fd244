import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.condition import Over, WindowMemory
from asdstream.alarms.elapsed import Instant
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.store.database import APPLICATION_ID, MIGRATIONS, StoreError
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state" / "asdstream.db")
    yield opened
    opened.close()


def messages(*payloads: bytes) -> list[OutboxMessage]:
    return [OutboxMessage("event/alarm", payload) for payload in payloads]


def raised(channel: str) -> AlarmSnapshot:
    alarm = ChannelAlarms(AlarmPolicy(), channel, "pump", iter(map(str, range(10))).__next__)
    alarm.source_lost(Instant(5.0, 1000.25), "away")
    return alarm.snapshot()


def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    first = Store(tmp_path / "a.db")
    first.commit([raised("a"), raised("b")], messages(b"1", b"2"))
    first.close()
    second = Store(tmp_path / "a.db")
    assert second.snapshots() == {"a": raised("a"), "b": raised("b")}
    assert [state.alarm_id for state in second.alarms() if state.active] == ["a.source", "b.source"]
    assert [row.message for row in second.outbox_pending(10)] == messages(b"1", b"2")
    second.close()
    second.close()


def test_the_latest_snapshot_of_a_channel_counts(store: Store) -> None:
    store.commit([raised("a")], [])
    later = AlarmSnapshot("a", windows=WindowMemory((None, Over(0.5, 1.2))))
    store.commit([later], [])
    assert store.snapshots() == {"a": later}
    store.forget_channel("a")
    assert store.snapshots() == {}


def test_states_and_messages_are_committed_together_or_not_at_all(store: Store) -> None:
    def fails_in_the_middle() -> Iterator[OutboxMessage]:
        yield OutboxMessage("event/alarm", b"1")
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        store.commit([raised("a")], fails_in_the_middle())
    assert store.snapshots() == {}
    assert store.outbox_size() == 0


def test_the_outbox_is_read_in_order_from_any_place(store: Store) -> None:
    store.commit([], messages(b"1", b"2"))
    store.commit([], [OutboxMessage("state", b"", retain=True)])
    rows = store.outbox_pending(10)
    assert [row.message.payload for row in rows] == [b"1", b"2", b""]
    assert rows[2].message.retain
    assert [row.id for row in store.outbox_pending(1, after=rows[0].id)] == [rows[1].id]


def test_an_id_is_never_used_twice(store: Store) -> None:
    store.commit([], messages(b"1", b"2"))
    used = {row.id for row in store.outbox_pending(10)}
    store.outbox_done(*used)
    store.outbox_done(12345)
    store.commit([], messages(b"3"))
    assert store.outbox_size() == 1
    assert store.outbox_pending(10)[0].id not in used


def test_births_are_counted_across_restarts(tmp_path: Path) -> None:
    first = Store(tmp_path / "a.db")
    assert [first.next_birth(), first.next_birth()] == [1, 2]
    first.close()
    second = Store(tmp_path / "a.db")
    assert second.next_birth() == 3
    second.close()


def test_threads_share_a_store(store: Store) -> None:
    def write() -> None:
        for _ in range(20):
            store.commit([raised("a")], messages(b"x", b"x"))
            store.outbox_done(store.outbox_pending(1)[0].id)
            store.next_birth()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 80 <= store.outbox_size() < 160
    assert store.next_birth() == 81


def test_a_command_may_write_while_the_daemon_does(store: Store) -> None:
    other = Store(store.path)
    other.commit([], messages(b"from another connection"))
    store.commit([], messages(b"from this one"))
    assert store.outbox_size() == other.outbox_size() == 2
    other.close()


def test_every_commit_that_returned_survives_kill_9(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from asdstream.alarms.condition import WindowMemory
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    kept = AlarmSnapshot("a", windows=WindowMemory(quiet_windows=number))
    store.commit([kept], [OutboxMessage("t", str(number).encode())])
    print(number, flush=True)
"""
    path = tmp_path / "a.db"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(30):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        last = int(([30] + [int(line) for line in process.stdout.read().splitlines() if line.strip()])[-1])
    store = Store(path)
    numbers = [int(row.message.payload) for row in store.outbox_pending(10_000)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) in (last, last + 1)
    assert store.snapshots()["a"].windows.quiet_windows == len(numbers)
    store.close()


def test_commits_are_on_disk_when_they_return(store: Store) -> None:
    assert store._database.read("PRAGMA journal_mode") == [("wal",)]
    assert store._database.read("PRAGMA synchronous") == [(2,)]


def test_a_database_from_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(
        StoreError, match=f"has schema version 99, but this asdstream knows versions up to {len(MIGRATIONS)}"
    ):
        Store(path)


def test_a_file_that_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database at all, but long enough to have a header" * 10)
    with pytest.raises(StoreError, match=r"text\.db cannot be used: file is not a database"):
        Store(tmp_path / "text.db")
    for statement in ("PRAGMA application_id = 7", "PRAGMA user_version = 1", "CREATE TABLE music (title)"):
        with sqlite3.connect(tmp_path / "other.db") as connection:
            connection.execute(statement)
        connection.close()
        before = (tmp_path / "other.db").read_bytes()
        with pytest.raises(StoreError, match="is the database of another program"):
            Store(tmp_path / "other.db")
        assert (tmp_path / "other.db").read_bytes() == before
        (tmp_path / "other.db").unlink()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "text.db" / "a.db")


def test_a_spoiled_snapshot_is_told_with_its_channel(store: Store) -> None:
    with store._database.transaction() as connection:
        connection.execute("INSERT INTO alarm_memory VALUES ('a', '{}')")
    with pytest.raises(StoreError, match=r'The alarms of channel "a" in .* cannot be read'):
        store.snapshots()


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="cannot be written"):
        store.commit([], messages(b"1"))
    with pytest.raises(StoreError, match="cannot be read"):
        store.outbox_size()


def test_a_database_of_the_first_schema_is_taken_over_with_its_alarms(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    state = {"alarm_id": "a.source", "occurrence": "id", "kind": "source", "channel": "a", "machine": "pump"}
    state |= {"active": True, "raised_at": 1.0, "updated_at": 1.0, "cleared_at": None, "score": None}
    state |= {"peak_score": None, "threshold": None, "windows": 0, "reason": "away"}
    snapshot = {"channel": "a", "anomaly": None, "source": state, "history": [None, 0.5], "quiet_windows": 2}
    snapshot |= {"lasted_s": 0.0, "since_told_s": 0.0, "news": False, "latest": 5.0}
    with sqlite3.connect(path) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute("INSERT INTO alarm_memory VALUES ('a', ?)", (json.dumps(snapshot),))
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()
    store = Store(path)
    (alarm,) = store.alarms()
    assert (alarm.alarm_id, alarm.active, alarm.reason) == ("a.source", True, "away")
    assert store.snapshots()["a"].windows.quiet_windows == 2
    assert store._database.read("PRAGMA user_version") == [(len(MIGRATIONS),)]
    store.close()
