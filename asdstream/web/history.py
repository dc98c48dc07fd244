"""The latest alarm events, in a bounded SQLite table: a file, so that they outlive a restart, or memory."""

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdstream.errors import AsdstreamError
from asdstream.mqtt.payloads import utc_text

MOST_EVENTS = 10_000
MOST_AT_ONCE = 200
CLOCK_AHEAD_S = 60.0
"""A node whose clock is further ahead than that is not listed before all others."""

_TABLE = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ts TEXT NOT NULL,
    machine TEXT NOT NULL,
    kind TEXT NOT NULL,
    transition TEXT NOT NULL,
    clip TEXT,
    content TEXT NOT NULL,
    UNIQUE (node, event_id)
)
"""
_SEARCH = """
SELECT content FROM event
WHERE (:node IS NULL OR node = :node) AND (:machine IS NULL OR machine = :machine)
    AND (:kind IS NULL OR kind = :kind) AND (:transition IS NULL OR transition = :transition)
    AND (:before IS NULL OR (ts, number) < (SELECT ts, number FROM event WHERE event_id = :before))
ORDER BY ts DESC, number DESC LIMIT :limit
"""


class HistoryError(AsdstreamError):
    """The file of the history cannot be used."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are looked for; None is any. `before` is the event_id of one that the others must be older than."""

    node: str | None = None
    machine: str | None = None
    kind: str | None = None
    transition: str | None = None
    before: str | None = None


class History:
    """Events with their node, as JSON has them; may be used from any thread.

    Raises `HistoryError` when the file at `path` cannot be used; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None, most: int = MOST_EVENTS) -> None:
        self._most = most
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_TABLE)
            self._database.execute("CREATE INDEX IF NOT EXISTS by_time ON event (ts, number)")
        except sqlite3.Error as error:
            raise HistoryError(f"web.history: {path} cannot be used for the history of alarms: {error}") from None

    def add(self, event: dict[str, Any], now: float) -> bool:
        """Keep `event`, the oldest giving way; False where it was there already."""
        alarm = event["alarm"]
        row = (
            event["node"],
            event["event_id"],
            min(event["ts"], utc_text(now + CLOCK_AHEAD_S)),
            alarm["machine"],
            alarm["kind"],
            event["transition"],
            alarm.get("clip") or alarm["occurrence"],
            json.dumps(event),
        )
        with self._lock:
            added = self._database.execute(
                "INSERT OR IGNORE INTO event (node, event_id, ts, machine, kind, transition, clip, content) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            if added.rowcount == 0:
                return False
            newest = added.lastrowid or 0
            self._database.execute("DELETE FROM event WHERE number <= ?", (newest - self._most,))
            return True

    def search(self, wanted: Filter, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """The latest `limit` events that are wanted, newest first, and whether there are more."""
        parameters = {
            "node": wanted.node,
            "machine": wanted.machine,
            "kind": wanted.kind,
            "transition": wanted.transition,
            "before": wanted.before,
            "limit": limit + 1,
        }
        with self._lock:
            rows = self._database.execute(_SEARCH, parameters).fetchall()
        return [json.loads(row[0]) for row in rows[:limit]], len(rows) > limit

    def alarm_of_clip(self, node: str, clip: str) -> dict[str, Any] | None:
        """The alarm to which `clip` belongs, as it last stood."""
        with self._lock:
            row = self._database.execute(
                "SELECT content FROM event WHERE node = ? AND clip = ? ORDER BY number DESC LIMIT 1", (node, clip)
            ).fetchone()
        found: dict[str, Any] | None = None if row is None else json.loads(row[0])["alarm"]
        return found

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()
