"""What survives a restart: alarms, messages the broker does not have yet, references."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from asdstream.alarms.event import AlarmState
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.store.commissionings import Commissionings
from asdstream.store.database import Database, StoreError
from asdstream.store.outbox_message import OutboxMessage, OutboxRow
from asdstream.store.references import References


class Store:
    """The database of one daemon; may be used from any thread. Methods raise `StoreError`.

    Beyond `max_bytes` (None: no bound but the disk) no references are added. Alarms and their messages are taken as
    long as the disk takes them: what makes room for them is `asdstream.store.room`.

    Example:
        store = Store(Path("asdstream.db"))
        store.commit([alarm.snapshot()], event_messages(topics, events, boot_id))
    """

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._database = Database(path)
        self.references = References(self._database, max_bytes)
        self.commissionings = Commissionings(self._database, self.references)

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def used_bytes(self) -> int:
        """What its content takes on the disk."""
        return self._database.used_bytes

    @property
    def slack_bytes(self) -> int:
        """Room within the file, which it holds and fills again."""
        return self._database.slack_bytes

    def reuse_log(self) -> None:
        """Have the next writes begin the log of the writes anew: that takes no room beyond what it has already."""
        self._database.read("PRAGMA wal_checkpoint(RESTART)")

    def close(self) -> None:
        """Safe to call twice."""
        self._database.close()

    def commit(self, snapshots: Iterable[AlarmSnapshot], messages: Iterable[OutboxMessage]) -> None:
        """Keep what the alarms remember and the messages that tell of it: both or, on an error, neither."""
        with self._database.transaction() as connection:
            _remember(connection, snapshots)
            connection.executemany(
                "INSERT INTO outbox (topic, payload, retain, essential) VALUES (?, ?, ?, ?)",
                [(message.topic, message.payload, message.retain, message.essential) for message in messages],
            )

    def catch_up(
        self, snapshots: Iterable[AlarmSnapshot], rows: Iterable[OutboxRow], delivered: Iterable[int], latest: int
    ) -> None:
        """Take in, at once, what could not be committed when it happened, and forget what the broker has of it.

        The rows keep the ids that they were given meanwhile; no later message gets one up to `latest`.
        """
        with self._database.transaction() as connection:
            _delete(connection, delivered)
            connection.executemany(
                "INSERT INTO outbox (id, topic, payload, retain, essential) VALUES (?, ?, ?, ?, ?)",
                [
                    (row.id, row.message.topic, row.message.payload, row.message.retain, row.message.essential)
                    for row in rows
                ],
            )
            _remember(connection, snapshots)
            # SQLite makes the row with the first message, and lets it be changed.
            connection.execute(
                "INSERT INTO sqlite_sequence SELECT 'outbox', 0"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'outbox')"
            )
            connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'outbox'", (latest,))

    def snapshots(self) -> dict[str, AlarmSnapshot]:
        """What the alarms remembered last, by channel."""
        found: dict[str, AlarmSnapshot] = {}
        for channel, text in self._database.read("SELECT channel, snapshot FROM alarm_memory ORDER BY channel"):
            try:
                found[channel] = AlarmSnapshot.from_dict(json.loads(text))
            except (KeyError, TypeError, ValueError) as error:
                raise StoreError(
                    f'The alarms of channel "{channel}" in {self.path} cannot be read: {error!r}'
                ) from error
        return found

    def alarms(self) -> list[AlarmState]:
        """Every alarm that was ever raised or is of interest, as it stands or last stood."""
        return [state for snapshot in self.snapshots().values() for state in snapshot.states]

    def forget_channel(self, channel: str) -> None:
        """Drop what the alarms of `channel` remembered; for channels that are no longer configured."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM alarm_memory WHERE channel = ?", (channel,))

    def outbox_pending(self, limit: int, after: int = 0) -> list[OutboxRow]:
        """The oldest `limit` messages whose id is larger than `after`, in order."""
        rows = self._database.read(
            "SELECT id, topic, payload, retain, essential FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [
            OutboxRow(number, OutboxMessage(topic, payload, bool(retain), bool(essential)))
            for number, topic, payload, retain, essential in rows
        ]

    def outbox_done(self, *ids: int) -> None:
        """Delete messages that the broker has acknowledged; unknown ids are no error."""
        with self._database.transaction() as connection:
            _delete(connection, ids)

    def outbox_size(self) -> int:
        """How many messages wait."""
        return int(self._database.read("SELECT count(*) FROM outbox")[0][0])

    def latest_outbox_id(self) -> int:
        """The largest id that any message ever had; 0 before the first."""
        rows = self._database.read("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        return int(rows[0][0]) if rows else 0

    def give_up_messages(self, count: int) -> tuple[int, int]:
        """Delete messages that can be spared, until `count` bytes of payload are free or none is left.

        First every retained one that a later of its topic has made stale, then those that are not essential, oldest
        first. Returns how many of the latter went, and the bytes that became free.
        """
        rows = self._database.read(
            "SELECT id, length(payload) FROM outbox WHERE retain AND EXISTS"
            " (SELECT 1 FROM outbox AS later WHERE later.topic = outbox.topic AND later.id > outbox.id)"
        )
        freed, told_less = sum(size for _, size in rows), 0
        given_up = [number for number, _ in rows]
        for number, size in self._database.read(
            "SELECT id, length(payload) FROM outbox WHERE NOT essential AND NOT retain ORDER BY id"
        ):
            if freed >= count:
                break
            given_up.append(number)
            freed, told_less = freed + size, told_less + 1
        if given_up:
            self.outbox_done(*given_up)
        return told_less, freed

    def births(self) -> int:
        """How many connections to the broker were counted."""
        rows = self._database.read("SELECT value FROM counter WHERE name = 'birth'")
        return int(rows[0][0]) if rows else 0

    def next_birth(self) -> int:
        """Count the connections to the broker, across restarts: 1, 2, and so on."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO counter VALUES ('birth', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
            return int(connection.execute("SELECT value FROM counter WHERE name = 'birth'").fetchone()[0])


def _remember(connection: sqlite3.Connection, snapshots: Iterable[AlarmSnapshot]) -> None:
    connection.executemany(
        "INSERT INTO alarm_memory VALUES (?, ?) ON CONFLICT (channel) DO UPDATE SET snapshot = excluded.snapshot",
        [(snapshot.channel, json.dumps(snapshot.to_dict())) for snapshot in snapshots],
    )


def _delete(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    connection.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in ids])
