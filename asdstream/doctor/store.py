"""The database of the daemon, looked at without a change."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from asdstream.doctor.finding import Finding, failed, guarded, ok
from asdstream.store.database import APPLICATION_ID, MIGRATIONS
from asdstream.store.store import Store


def look_at_store(path: Path) -> Iterator[Finding]:
    """Whether the database at `path` can be used, or made."""
    yield from guarded("store", lambda: _store(path), f"see who owns {path}: ls -l {path.parent}")


def enrolled(path: Path, machine: str) -> int | None:
    """How many references of `machine` the store at `path` holds; None where that cannot be told without a change."""
    if not path.exists():
        return 0
    if _of_an_earlier_version(path):
        return None
    with closing(Store(path)) as store:
        return len(store.references.entries(machine))


def nearest(folder: Path) -> Path:
    """`folder`, or what it will be made in."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def may_write(folder: Path) -> bool:
    """Whether this user may make files there."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _store(path: Path) -> Iterator[Finding]:
    if not path.exists():
        there = nearest(path.parent)
        if may_write(there):
            yield ok("store", f"{path} will be made at the first start")
        else:
            says = f"{path} cannot be made: this user may not write to {there}"
            yield failed("store", says, f"install -d -m 0750 -o $USER {path.parent}")
        return
    if _of_an_earlier_version(path):
        yield ok("store", f"{path} is of an earlier version, which the next start brings up to date")
        return
    with closing(Store(path)) as store:
        says = f"{path}: {store.outbox_size()} alarm messages wait for the broker"
    yield ok("store", says)


def _of_an_earlier_version(path: Path) -> bool:
    """To open such a one is to change it, so that the version that made it could not go back to it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            made_by, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
    except sqlite3.Error:
        # Whoever opens it says what is wrong.
        return False
    return bool(made_by == APPLICATION_ID and version < len(MIGRATIONS))
