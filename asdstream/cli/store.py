"""The store that a command shares with the daemon."""

from pathlib import Path

from asdstream.config import Config
from asdstream.store.store import Store


def store_of(settings: Config) -> Store:
    """The configured one, opened; it takes no more references than the daemon would. Raises StoreError."""
    return Store(settings.store.path, settings.store.max_bytes)


def store_to_read(settings: Config) -> Store:
    """The configured one, opened; where there is none yet, an empty one that is written nowhere. Raises StoreError.

    Whoever only looks must not leave the daemon a file that belongs to another user.
    """
    return store_of(settings) if settings.store.path.exists() else Store(Path(":memory:"))
