"""What makes room, and in which order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from asdstream.store.database import StoreError
from asdstream.store.held_back import OVERHEAD_BYTES, HeldBack
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.references import NewReference
from asdstream.store.room import FREE_MIN_BYTES, SLACK_MIN_BYTES, RoomKeeper
from asdstream.store.store import Store

MB = 1_000_000
VECTORS = {"beats": np.ones((1, 4), np.float32)}


class Clips:
    """Files that can be spared."""

    def __init__(self, used_bytes: int) -> None:
        self.used_bytes = used_bytes
        self.asked: list[int] = []

    def give_up(self, count: int) -> int:
        freed = min(count, self.used_bytes)
        self.asked.append(count)
        self.used_bytes -= freed
        return freed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "a.db")
    yield opened
    opened.close()


def add(store: Store, label: str, size: int, held_out: bool = False) -> None:
    reference = NewReference(label, label, bytes(size), VECTORS, 1.0 if held_out else None)
    store.references.add("fan", [reference], bundle="b", actor="ann", at=0.0)


def sound(store: Store) -> dict[str, int]:
    return {entry.label: entry.audio_bytes for entry in store.references.entries("fan")}


def keeper(store: Store, clips: Clips, max_bytes: int, free: int | None = None, *, refused: bool = False) -> RoomKeeper:
    return RoomKeeper(store, max_bytes, lambda: free, lambda: refused, [clips])


def fill(store: Store) -> None:
    """In use, removed, two held out, and messages of every kind."""
    add(store, "1-used", MB)
    add(store, "2-removed", MB)
    add(store, "3-held-out", MB, held_out=True)
    add(store, "4-held-out", MB, held_out=True)
    store.references.remove("fan", ["2-removed"], actor="ann", at=0.0)
    store.commit(
        [],
        [
            OutboxMessage("event", b"raised" + bytes(MB)),
            OutboxMessage("state", bytes(MB), retain=True),
            OutboxMessage("event", b"updated" + bytes(MB), essential=False),
            OutboxMessage("state", b"latest", retain=True),
            OutboxMessage("event", b"cleared"),
        ],
    )


def test_clips_go_first_and_nothing_else_does_while_they_are_enough(store: Store) -> None:
    fill(store)
    clips = Clips(3 * MB)
    keeper(store, clips, store.used_bytes + 2 * MB).keep()
    assert clips.used_bytes == 2 * MB
    assert store.outbox_size() == 5
    assert sound(store) == {"1-used": MB, "3-held-out": MB, "4-held-out": MB}


def test_then_sound_goes_that_can_be_spared_the_removed_before_the_held_out_and_the_oldest_first(store: Store) -> None:
    fill(store)
    keeper(store, Clips(0), store.used_bytes - MB // 2).keep()
    with pytest.raises(StoreError, match="The sound of reference 2-removed was given up when the store was full"):
        store.references.audio("2-removed")
    assert sound(store) == {"1-used": MB, "3-held-out": MB, "4-held-out": MB}
    keeper(store, Clips(0), store.used_bytes - MB // 2).keep()
    assert sound(store) == {"1-used": MB, "3-held-out": 0, "4-held-out": MB}
    assert set(store.references.vectors("fan", "b")) == {"1-used", "3-held-out", "4-held-out"}, (
        "it is calibrated as before"
    )


def test_what_bundles_that_are_not_used_any_more_made_of_references_goes_before_sound_does(store: Store) -> None:
    add(store, "1-used", MB)
    for bundle in ("last-year", "b+fan", "last-year+fan"):
        store.references.put_vectors("1-used", bundle, {"beats": np.ones((100, 1000), np.float32)})
    store.close()
    again = Store(store.path)
    again.references.vectors("fan", "b")
    with capture_logs() as logs:
        keeper(again, Clips(0), MB).keep()
    assert [line["given_up"] for line in logs if line["event"] == "room_made"] == ["vectors"]
    made = ("b", "b+fan", "last-year", "last-year+fan")
    assert [len(again.references.vectors("fan", bundle)) for bundle in made] == [1, 1, 0, 0]
    again.close()


def test_alarms_and_references_in_use_stay_however_little_is_allowed_and_that_is_said_once(store: Store) -> None:
    fill(store)
    clips = Clips(MB)
    room = keeper(store, clips, MB)
    with capture_logs() as logs:
        for _ in range(3):
            room.keep()
    assert clips.used_bytes == 0
    assert sound(store) == {"1-used": MB, "3-held-out": 0, "4-held-out": 0}
    kept = [row.message.payload.rstrip(b"\0") for row in store.outbox_pending(10)]
    assert kept == [b"raised", b"latest", b"cleared"]
    assert [line["event"] for line in logs].count("store_over_its_limit") == 1
    assert [line["given_up"] for line in logs if line["event"] == "room_made"] == ["files", "sound", "messages"]


def test_a_store_within_its_limit_on_a_disk_with_room_is_left_alone(store: Store) -> None:
    fill(store)
    clips = Clips(MB)
    for free in (None, FREE_MIN_BYTES):
        keeper(store, clips, 100 * MB, free).keep()
    assert (clips.asked, store.outbox_size()) == ([], 5)


def test_on_a_disk_that_is_nearly_full_clips_make_room(store: Store) -> None:
    fill(store)
    clips = Clips(100 * MB)
    keeper(store, clips, 1000 * MB, FREE_MIN_BYTES - 3 * MB).keep()
    assert clips.used_bytes == 97 * MB
    assert sound(store)["3-held-out"] == MB


def test_where_the_store_takes_nothing_only_as_much_sound_goes_as_alarms_may_need(store: Store) -> None:
    for number in range(10):
        add(store, f"{number}-held-out", MB, held_out=True)
    room = keeper(store, Clips(0), 1000 * MB, refused=True)
    for _ in range(3):
        room.keep()
    spared = sum(not size for size in sound(store).values())
    assert SLACK_MIN_BYTES // MB <= spared <= SLACK_MIN_BYTES // MB + 1
    assert store.slack_bytes >= SLACK_MIN_BYTES * 0.9


def test_a_disk_that_fails_while_room_is_made_is_said_once_and_stops_nothing(store: Store) -> None:
    fill(store)
    store._database.read("PRAGMA query_only = 1")
    room = keeper(store, Clips(0), MB)
    with capture_logs() as logs:
        room.keep()
        room.keep()
    assert [line["event"] for line in logs] == ["no_room_made"]


def test_references_beyond_the_limit_are_refused_unless_sound_can_be_spared_for_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", max_bytes=3 * MB)
    add(store, "1-used", MB)
    add(store, "2-held-out", MB, held_out=True)
    add(store, "3-used", MB)
    assert sound(store) == {"1-used": MB, "2-held-out": 0, "3-used": MB}
    with pytest.raises(StoreError, match=r"1 reference of 3\.0 MB .* than the 3\.0 MB of store.max_bytes: raise it"):
        add(store, "4-used", 3 * MB)
    assert set(sound(store)) == {"1-used", "2-held-out", "3-used"}
    store.close()


def test_in_memory_stale_states_go_first_then_updates_and_transitions_last() -> None:
    held = HeldBack(4 * (OVERHEAD_BYTES + 100))
    old, new = OutboxMessage("state", bytes(100), retain=True), OutboxMessage("state", b"1" * 100, retain=True)
    transition, update = OutboxMessage("event", bytes(100)), OutboxMessage("event", bytes(100), essential=False)

    def kept() -> list[int]:
        return [row.id for row in held.rows(100)]

    for number, message in enumerate([transition, old, update, new], 1):
        held.add(number, message)
    assert kept() == [1, 2, 3, 4]
    held.add(5, transition)
    assert kept() == [1, 3, 4, 5]
    held.add(6, transition)
    assert (kept(), held.lost) == ([1, 4, 5, 6], 0)
    held.add(7, transition)
    assert (kept(), held.lost) == ([4, 5, 6, 7], 1)
    assert held.discard([5, 99]) == {5}
    assert [row.id for row in held.rows(1, after=4)] == [6]
