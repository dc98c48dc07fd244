"""The SQLite file: opened so that what is committed survives a power cut, and migrated forward."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asdstream.errors import AsdstreamError

APPLICATION_ID = 0x61736473
BUSY_TIMEOUT_S = 5.0
"""The daemon and a command may write to the same file; each transaction takes milliseconds."""
JOURNAL_LIMIT_BYTES = 16 * 1024 * 1024
_NO_ROOM_TO_SHARE = "SQLITE_IOERR_SHM"
"""So SQLite names what is wrong with the index of its write-ahead log, which only several processes need on disk."""

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        "CREATE TABLE alarm_memory (channel TEXT PRIMARY KEY, snapshot TEXT NOT NULL) STRICT, WITHOUT ROWID",
        # AUTOINCREMENT: an id that was deleted must not come back, or a late acknowledgement would delete another row.
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL,"
        " retain INTEGER NOT NULL) STRICT",
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE reference_revision (machine TEXT NOT NULL, revision INTEGER NOT NULL, at REAL NOT NULL,"
        " actor TEXT NOT NULL, action TEXT NOT NULL, PRIMARY KEY (machine, revision)) STRICT, WITHOUT ROWID",
        "CREATE TABLE reference (label TEXT PRIMARY KEY, machine TEXT NOT NULL, name TEXT NOT NULL,"
        " audio BLOB NOT NULL) STRICT",
        # A reference belongs to the revisions from `since` up to, but not including, `until`.
        "CREATE TABLE reference_span (label TEXT NOT NULL REFERENCES reference, machine TEXT NOT NULL,"
        " since INTEGER NOT NULL, until INTEGER, PRIMARY KEY (label, since)) STRICT, WITHOUT ROWID",
        "CREATE TABLE reference_vectors (label TEXT NOT NULL REFERENCES reference, bundle TEXT NOT NULL,"
        " branch TEXT NOT NULL, count INTEGER NOT NULL, vectors BLOB NOT NULL, PRIMARY KEY (label, bundle, branch))"
        " STRICT",
        "CREATE INDEX reference_span_machine ON reference_span (machine)",
    ),
    # What alarms remember has another layout from here on. The old one is read as well (asdstream.alarms.snapshot), so
    # that nothing need be rewritten; the version keeps out programs that do not know the new one.
    (),
    (
        # References of which no prototype is made, with the hop from one of their windows to the next.
        "CREATE TABLE reference_held_out (label TEXT PRIMARY KEY REFERENCES reference, hop_s REAL NOT NULL) STRICT",
    ),
    (
        # Sound of machines that are being listened to, and what was reported of those that have been.
        "CREATE TABLE commissioning_piece (id INTEGER PRIMARY KEY, machine TEXT NOT NULL, channel TEXT NOT NULL,"
        " stretch TEXT NOT NULL, first INTEGER NOT NULL, at REAL NOT NULL, hop_s REAL NOT NULL,"
        " windows INTEGER NOT NULL, unusable INTEGER NOT NULL, maker TEXT NOT NULL, audio BLOB NOT NULL) STRICT",
        "CREATE TABLE commissioning_vectors (piece INTEGER NOT NULL REFERENCES commissioning_piece,"
        " branch TEXT NOT NULL, vectors BLOB NOT NULL, PRIMARY KEY (piece, branch)) STRICT",
        "CREATE TABLE commissioning_report (machine TEXT PRIMARY KEY, report TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE INDEX commissioning_piece_machine ON commissioning_piece (machine)",
    ),
    (
        # What may be given up for lack of room says so.
        "ALTER TABLE outbox ADD COLUMN essential INTEGER NOT NULL DEFAULT 1",
    ),
)
"""One list of statements per schema version; a released one is never changed, only followed by another."""


class StoreError(AsdstreamError):
    """The database cannot be opened, read or written."""


class Database:
    """One connection, shared by the threads of this process; every write is a transaction.

    A disk without room for the few kB by which processes share a database does not keep one from being read: it is then
    opened for this process alone, until the first write that succeeds.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file at `path` and bring it to the newest schema; raises `StoreError`."""
        self.path = path
        self._lock = threading.RLock()
        self._alone = False
        self._reopen = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The database {path} cannot be opened: {error}") from error
        self._connection = self._open()

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            self._reopen = False
            self._connection.close()

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            self._open_again()
            try:
                return self._connection.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"The database {self.path} cannot be read: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All statements of the block or none; on disk when the block has ended."""
        with self._lock:
            self._open_again()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StoreError(f"The database {self.path} cannot be written: {error}") from error
            if self._alone:
                # Opened anew by the next caller: a failure then must not look as if this write had failed.
                self._connection.close()
                self._reopen = True

    @property
    def used_bytes(self) -> int:
        """What the content takes; the log of the writes (`-wal`) takes up to `JOURNAL_LIMIT_BYTES` beside it."""
        pages, free, size = self._pages()
        return (pages - free) * size

    @property
    def slack_bytes(self) -> int:
        """Room within the file: what was deleted there is not given back to the disk, but filled again."""
        _, free, size = self._pages()
        return free * size

    def _pages(self) -> tuple[int, int, int]:
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (int(self.read(f"PRAGMA {name}")[0][0]) for name in names)
        return pages, free, size

    def _open_again(self) -> None:
        if self._reopen:
            self._connection = self._open()
            self._reopen = False

    def _open(self) -> sqlite3.Connection:
        self._alone = False
        try:
            return self._connect()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(_NO_ROOM_TO_SHARE):
                raise StoreError(f"The database {self.path} cannot be used: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"The database {self.path} cannot be used: {error}") from error
        self._alone = True
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise StoreError(f"The database {self.path} cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            if self._alone:
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _prepare(self) -> None:
        # One statement, as another process may be making the tables just now.
        application, version, tables = self._connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        new = application == version == tables == 0
        if application != APPLICATION_ID and not new:
            raise StoreError(f"{self.path} is the database of another program; name another file under store.path")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The database {self.path} has schema version {version}, but this asdstream knows versions up to "
                f"{len(MIGRATIONS)}: use the newer asdstream that wrote it, or another file"
            )
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"journal_size_limit = {JOURNAL_LIMIT_BYTES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        if version < len(MIGRATIONS):
            self._migrate()

    def _migrate(self) -> None:
        with self.transaction() as connection:
            # Another process may have been first.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
