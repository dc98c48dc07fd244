"""Room for what must be kept: what goes, and in which order, where the store grows too large or the disk is full."""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from asdstream.store.database import StoreError
from asdstream.store.store import Store

log = structlog.get_logger()

FREE_MIN_BYTES = 32_000_000
"""Less room on the disk is what alarms may need until somebody comes: whatever can be spared makes room for them."""
SLACK_MIN_BYTES = 4_000_000
"""The same within the database."""


class Expendable(Protocol):
    """Files beside the database that can be spared: clips, pictures."""

    @property
    def used_bytes(self) -> int: ...

    def give_up(self, count: int) -> int:
        """Delete until `count` bytes are free or nothing is left, the least worth keeping first; the bytes freed."""
        ...


class RoomKeeper:
    """Keeps the store and the files beside it within `max_bytes`, and some of the disk free.

    What goes first: `expendables`, in their order; then what other bundles made of references; then sound in the
    database that can be spared (of references that were removed, then what is held out for the calibration); then
    messages that can (stale states, then updates of alarms that stand). What the alarms remember, the other messages
    that wait for the broker and the references in use never go: they are refused by the disk alone, whatever
    `max_bytes` says, and then it is said.

    `free_bytes` tells the room on the disk, None where it cannot be told; `refused` whether the store takes nothing.
    """

    def __init__(
        self,
        store: Store,
        max_bytes: int,
        free_bytes: Callable[[], int | None],
        refused: Callable[[], bool],
        expendables: Sequence[Expendable] = (),
    ) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._free_bytes = free_bytes
        self._refused = refused
        self._expendables = expendables
        self._too_large = False
        self._problem: str | None = None

    def keep(self) -> None:
        """Look whether there is room, and make some; to be called every few seconds. Raises nothing of the disk's."""
        problem = None
        for look in (self._within_limit, self._within_disk):
            try:
                look()
            except (OSError, StoreError) as error:
                problem = str(error)
        if problem is not None and problem != self._problem:
            log.warning("no_room_made", problem=problem)
        self._problem = problem

    def _within_limit(self) -> None:
        over = self._store.used_bytes + sum(files.used_bytes for files in self._expendables) - self._max_bytes
        left = over
        if left > 0:
            left -= self._give_up_files(left)
        if left > 0:
            left -= self._give_up_content(left)
        if left > 0 and not self._too_large:
            log.warning("store_over_its_limit", over_bytes=left, max_bytes=self._max_bytes)
        self._too_large = left > 0

    def _within_disk(self) -> None:
        free = self._free_bytes()
        short = 0 if free is None else FREE_MIN_BYTES - free
        refused = self._refused()
        if refused:
            short = max(short, SLACK_MIN_BYTES)
        if short <= 0:
            return
        short -= self._give_up_files(short)
        if refused:
            self._store.reuse_log()
        # What is freed within the database stays there, so it is no use to free more than the alarms may need.
        missing = SLACK_MIN_BYTES - self._store.slack_bytes
        if short > 0 and missing > 0:
            self._give_up_content(missing)

    def _give_up_files(self, count: int) -> int:
        freed = 0
        for files in self._expendables:
            if freed < count:
                freed += files.give_up(count - freed)
        if freed:
            log.warning("room_made", given_up="files", freed_bytes=freed)
        return freed

    def _give_up_content(self, count: int) -> int:
        freed = 0
        for what, spared in self._store.references.give_up(count).items():
            freed += spared
            if spared:
                log.warning("room_made", given_up=what, freed_bytes=spared)
        if freed < count:
            updates, spared = self._store.give_up_messages(count - freed)
            freed += spared
            if spared:
                log.warning("room_made", given_up="messages", updates=updates, freed_bytes=spared)
        return freed
