"""What truly happened: a trigger in the daemon's own database notes every message in the transaction that commits it.

So the journal holds exactly the transitions that were committed, whatever becomes of the process a microsecond later,
and the program knows nothing of it.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from asdstream.store.store import Store


@dataclass(frozen=True, slots=True)
class Transition:
    """One event of one alarm; `ts` as it is told, `actor` None where nobody caused it."""

    event_id: str
    alarm_id: str
    name: str
    ts: str
    actor: str | None = None

    @classmethod
    def of(cls, payload: bytes | str) -> "Transition":
        """From an event message."""
        event = json.loads(payload)
        return cls(event["event_id"], event["alarm"]["alarm_id"], event["transition"], event["ts"], event["actor"])


class Journal:
    """Of the database at `path`, which is made where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        Store(path).close()
        self._seen = 0
        self._transitions: list[Transition] = []
        with closing(self._connect()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB)")
            connection.execute(
                "CREATE TRIGGER IF NOT EXISTS note AFTER INSERT ON outbox BEGIN"
                " INSERT INTO journal VALUES (new.id, new.topic, new.payload); END"
            )

    @property
    def transitions(self) -> list[Transition]:
        """All that were committed so far, in that order."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT id, topic, payload FROM journal WHERE id > ? ORDER BY id", (self._seen,))
            for number, topic, payload in rows:
                self._seen = number
                if topic.endswith("/event/alarm"):
                    self._transitions.append(Transition.of(payload))
        return self._transitions

    @property
    def unacknowledged(self) -> set[str]:
        """The ids of the events that were committed, but not acknowledged by the broker as far as is known."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT payload FROM outbox WHERE topic LIKE '%/event/alarm'").fetchall()
        return {Transition.of(payload).event_id for (payload,) in rows}

    @property
    def standing(self) -> set[str]:
        """The alarms whose retained message should not be empty: as the latest message of each says."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT topic, payload FROM journal WHERE topic LIKE '%/state' ORDER BY id")
            latest = {topic.split("/")[-2]: payload for topic, payload in rows}
        return {alarm for alarm, payload in latest.items() if payload}

    @property
    def sound(self) -> bool:
        """Whether SQLite finds nothing wrong with the file."""
        with closing(self._connect()) as connection:
            return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10.0, isolation_level=None)
