"""Messages that the disk does not take, in memory: in order, and bounded."""

from collections.abc import Collection, Iterable

from asdstream.store.outbox_message import OutboxMessage, OutboxRow

OVERHEAD_BYTES = 500
"""What a message takes beside its payload, about."""


class HeldBack:
    """Rows of the outbox until the disk takes them or the broker has them.

    Beyond `max_bytes` stale retained messages go first, then those that are not essential, oldest first. Only then,
    with no disk, no broker and no memory left, the oldest of the rest: those are counted in `lost`.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rows: dict[int, OutboxMessage] = {}
        self._bytes = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, message: OutboxMessage) -> None:
        """At the end of the order: ids grow."""
        self._rows[number] = message
        self._bytes += _size(message)
        if self._bytes > self._max_bytes:
            self._make_room()

    def rows(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """The oldest `limit` whose id is larger than `after`."""
        found: list[OutboxRow] = []
        for number, message in self._rows.items():
            if len(found) == limit:
                break
            if number > after:
                found.append(OutboxRow(number, message))
        return found

    def discard(self, numbers: Iterable[int]) -> set[int]:
        """Drop those that are on disk or with the broker; returns those that were here."""
        here = set(numbers) & self._rows.keys()
        for number in here:
            self._bytes -= _size(self._rows.pop(number))
        return here

    def _make_room(self) -> None:
        latest = {message.topic: number for number, message in self._rows.items() if message.retain}
        stale = [number for number, message in self._rows.items() if message.retain and latest[message.topic] > number]
        self.discard(stale)
        self._drop([number for number, message in self._rows.items() if not message.essential])
        self.lost += self._drop([number for number, message in self._rows.items() if not message.retain])

    def _drop(self, candidates: Collection[int]) -> int:
        dropped = 0
        for number in candidates:
            if self._bytes <= self._max_bytes:
                break
            self.discard([number])
            dropped += 1
        return dropped


def _size(message: OutboxMessage) -> int:
    return len(message.payload) + OVERHEAD_BYTES
