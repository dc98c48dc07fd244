"""One daemon at a time works on a database: two would overwrite what the other's alarms remember."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

import structlog

from asdstream.store.database import StoreError

log = structlog.get_logger()


class Tenancy:
    """Holds the database at `path`, which need not be there yet, for this process until the end of the block.

    Raises StoreError where another process holds it. The kernel lets go of it with the process, however that ends.
    Where there is no room for the lock, which is a file of its own beside the database, that is logged and nobody is
    kept out: alarms come first.

    Example:
        with Tenancy(config.store.path):
            Daemon(config).run(stop)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning("store_not_locked", file=str(lock), problem=error.strerror)
            return
        try:
            # Not on the database itself: to close a file on which SQLite holds locks would end them.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise StoreError(
                    f"Another daemon works with the database {self._path} already: stop that one, or give this one a "
                    "store.path and a site.node of its own"
                ) from None
            log.warning("store_not_locked", file=str(lock), problem=error.strerror)
            return
        self._descriptor = descriptor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
