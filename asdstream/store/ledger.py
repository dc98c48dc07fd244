"""What happens to the alarms, in order: on disk, or in memory for as long as the disk takes nothing."""

import threading
import time
from collections.abc import Callable, Iterable

import structlog

from asdstream.alarms.event import AlarmState
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.store.database import StoreError
from asdstream.store.held_back import HeldBack
from asdstream.store.outbox_message import OutboxMessage, OutboxRow
from asdstream.store.store import Store

log = structlog.get_logger()

RETRY_S = 1.0
ROWS_AT_ONCE = 200
"""What is taken up in one transaction, so that a little room on the disk is of use."""
HELD_MAX_BYTES = 64_000_000
"""Some 40,000 transitions: days of alarms that come and go."""
_BLOCK = 2**32


class Ledger:
    """Between those who move alarms and the store; may be used from any thread. It is the outbox that is published.

    Where the store takes nothing (the disk is full or broken, the file is locked) the transitions stay in memory, in
    order, and are committed as soon as it takes something again, before any newer one. Until then they are published
    from memory, as part of the same outbox and with the same `event_id`: an alarm that cannot be stored is told at once
    rather than not at all. What the broker has acknowledged is not stored any more, only the state it led to. If the
    process is killed in this time, the alarms go on from what the disk remembers, and may tell again, as new
    occurrences, what they told already; what only memory had is lost.

    Example:
        ledger = Ledger(Store(Path("asdstream.db")))
        ledger.commit([alarm.snapshot()], event_messages(topics, events, boot_id))
    """

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.monotonic, max_held_bytes: int = HELD_MAX_BYTES
    ) -> None:
        """Raises `StoreError` where `store` cannot be read."""
        self._store = store
        self._clock = clock
        self._lock = threading.RLock()
        self._held = HeldBack(max_held_bytes)
        self._snapshots: dict[str, AlarmSnapshot] = {}
        self._delivered: set[int] = set()
        """Rows on disk that the broker has, but that could not be deleted yet."""
        self._passed_over = False
        """Whether messages from memory were given out before those of a disk that could not be read."""
        self._latest_id = store.latest_outbox_id()
        self._problem: str | None = None
        self._retry_at = 0.0
        self._held_before = 0
        self._said_lost = False

    @property
    def problem(self) -> str | None:
        """Why the store takes nothing, in one sentence; None where it does."""
        return self._problem

    @property
    def held(self) -> int:
        """How many messages are in memory alone."""
        return len(self._held)

    @property
    def lost(self) -> int:
        """Messages that neither disk nor broker took until memory had no room for them, since the start."""
        return self._held.lost

    def commit(self, snapshots: Iterable[AlarmSnapshot], messages: Iterable[OutboxMessage]) -> bool:
        """Keep what the alarms remember and the messages that tell of it; whether they are on disk already."""
        snapshots, messages = list(snapshots), list(messages)
        with self._lock:
            if self._problem is None:
                try:
                    self._store.commit(snapshots, messages)
                except StoreError as error:
                    self._refused(error)
                else:
                    return True
            self._snapshots |= {snapshot.channel: snapshot for snapshot in snapshots}
            for message in messages:
                self._latest_id += 1
                self._held.add(self._latest_id, message)
                self._held_before += 1
            if self._held.lost and not self._said_lost:
                self._said_lost = True
                log.error("alarm_events_lost", problem="neither disk nor broker takes them, and memory is full")
            return self._clock() >= self._retry_at and self.settle()

    def settle(self) -> bool:
        """Have the store take what is in memory, if it does; whether nothing is left to be taken.

        To be called about once a second while there is a `problem`.
        """
        with self._lock:
            if self._problem is None:
                return True
            try:
                while True:
                    rows = self._held.rows(ROWS_AT_ONCE)
                    last = len(rows) == len(self._held)
                    snapshots = self._snapshots.values() if last else ()
                    self._store.catch_up(snapshots, rows, self._delivered, self._latest_id)
                    self._held.discard(row.id for row in rows)
                    self._delivered.clear()
                    if last:
                        break
            except StoreError as error:
                self._refused(error)
                return False
            self._snapshots.clear()
            self._problem = None
            log.warning("disk_takes_again", messages_held=self._held_before, messages_lost=self._held.lost)
            self._held_before, self._said_lost = 0, False
            return True

    def snapshots(self) -> dict[str, AlarmSnapshot]:
        """What the alarms remembered last, by channel."""
        with self._lock:
            return self._store.snapshots() | self._snapshots

    def alarms(self) -> list[AlarmState]:
        """Every alarm that was ever raised or is of interest, as it stands or last stood."""
        return [state for snapshot in self.snapshots().values() for state in snapshot.states]

    def outbox_pending(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """The oldest `limit` messages whose id is larger than `after`, in order: those on disk, then those in memory.

        Of a disk that cannot even be read, those in memory alone; once it can, all from the oldest on, whatever `after`
        says.
        """
        with self._lock:
            try:
                found = self._on_disk(limit, 0 if self._passed_over else after)
            except StoreError:
                if self._problem is None:
                    raise
                self._passed_over, found = True, []
            else:
                after = 0 if self._passed_over else after
                self._passed_over = False
            return found + self._held.rows(limit - len(found), after)

    def outbox_done(self, *ids: int) -> None:
        """Forget messages that the broker has acknowledged; unknown ids are no error."""
        with self._lock:
            on_disk = set(ids) - self._held.discard(ids)
            if not on_disk:
                return
            if self._problem is None:
                try:
                    self._store.outbox_done(*on_disk)
                except StoreError as error:
                    self._refused(error)
                else:
                    return
            self._delivered |= on_disk

    def outbox_size(self) -> int:
        """How many messages wait, on disk and in memory."""
        with self._lock:
            try:
                on_disk = self._store.outbox_size()
            except StoreError:
                if self._problem is None:
                    raise
                on_disk = len(self._delivered)
            return on_disk - len(self._delivered) + len(self._held)

    def next_birth(self) -> int:
        """Count the connections to the broker, across restarts; on a disk that takes nothing, without keeping it."""
        try:
            return self._store.next_birth()
        except StoreError:
            return self._store.births() + 1

    def _on_disk(self, limit: int, after: int) -> list[OutboxRow]:
        found: list[OutboxRow] = []
        while len(found) < limit:
            rows = self._store.outbox_pending(limit, after)
            found += [row for row in rows if row.id not in self._delivered]
            if len(rows) < limit:
                break
            after = rows[-1].id
        return found[:limit]

    def _refused(self, error: StoreError) -> None:
        if self._problem is None:
            # Ids of messages that went to the disk since are far below.
            self._latest_id = (self._latest_id // _BLOCK + 1) * _BLOCK
            log.error(
                "disk_takes_nothing", problem=str(error), meanwhile="alarms are kept in memory and told from there"
            )
        self._problem = str(error)
        self._retry_at = self._clock() + RETRY_S
