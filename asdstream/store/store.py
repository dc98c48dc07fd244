"""What survives a restart: alarms, messages the broker does not have yet, references."""

import json
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

    Example:
        store = Store(Path("asdstream.db"))
        store.commit([alarm.snapshot()], event_messages(topics, events, boot_id))
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self.references = References(self._database)
        self.commissionings = Commissionings(self._database, self.references)

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def close(self) -> None:
        """Safe to call twice."""
        self._database.close()

    def commit(self, snapshots: Iterable[AlarmSnapshot], messages: Iterable[OutboxMessage]) -> None:
        """Keep what the alarms remember and the messages that tell of it: both or, on an error, neither."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO alarm_memory VALUES (?, ?)"
                " ON CONFLICT (channel) DO UPDATE SET snapshot = excluded.snapshot",
                [(snapshot.channel, json.dumps(snapshot.to_dict())) for snapshot in snapshots],
            )
            connection.executemany(
                "INSERT INTO outbox (topic, payload, retain) VALUES (?, ?, ?)",
                [(message.topic, message.payload, message.retain) for message in messages],
            )

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
            "SELECT id, topic, payload, retain FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [
            OutboxRow(number, OutboxMessage(topic, payload, bool(retain))) for number, topic, payload, retain in rows
        ]

    def outbox_done(self, *ids: int) -> None:
        """Delete messages that the broker has acknowledged; unknown ids are no error."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in ids])

    def outbox_size(self) -> int:
        """How many messages wait."""
        return int(self._database.read("SELECT count(*) FROM outbox")[0][0])

    def next_birth(self) -> int:
        """Count the connections to the broker, across restarts: 1, 2, and so on."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO counter VALUES ('birth', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
            return int(connection.execute("SELECT value FROM counter WHERE name = 'birth'").fetchone()[0])
