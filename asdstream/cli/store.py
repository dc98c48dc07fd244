"""The store that a command shares with the daemon."""

from asdstream.config import Config
from asdstream.store.store import Store


def store_of(settings: Config) -> Store:
    """The configured one, opened; it takes no more references than the daemon would. Raises StoreError."""
    return Store(settings.store.path, settings.store.max_bytes)
