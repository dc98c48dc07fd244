"""Being there: the birth message of every connection, and the last will that the broker keeps for us."""

import itertools
import threading
from collections.abc import Callable
from typing import Literal

import structlog

from asdstream.mqtt.payloads import StatusPayload, moment
from asdstream.mqtt.topics import Topics
from asdstream.store.outbox_message import OutboxMessage

log = structlog.get_logger()


class Presence:
    """The status messages of this process; `next_birth` counts up with every connection, across restarts where it can.

    Will, birth and farewell of one connection carry the same `boot_id` and `birth_seq`, so that a will which arrives
    late, after the birth of the next connection, is known to be old.
    """

    def __init__(
        self,
        topics: Topics,
        boot_id: str,
        version: str,
        clock: Callable[[], float],
        next_birth: Callable[[], int] | None = None,
    ) -> None:
        self._topics = topics
        self._boot_id = boot_id
        self._version = version
        self._clock = clock
        self._next_birth = next_birth if next_birth is not None else itertools.count(1).__next__
        self._lock = threading.Lock()
        self._birth_seq = 0

    @property
    def birth_seq(self) -> int:
        """Of the latest connection that was begun; 0 before the first."""
        return self._birth_seq

    def begin(self) -> OutboxMessage:
        """Begin a connection: counts on, and returns the will to connect with."""
        with self._lock:
            try:
                self._birth_seq = max(self._next_birth(), self._birth_seq + 1)
            except Exception:
                # The count may live on a disk that is full; being heard matters more than an unbroken count.
                log.exception("birth_count_not_kept")
                self._birth_seq += 1
        return self._status("offline")

    def birth(self) -> OutboxMessage:
        """Said as soon as the connection stands."""
        return self._status("online")

    def farewell(self) -> OutboxMessage:
        """Said before a connection is closed on purpose."""
        return self._status("offline")

    def _status(self, state: Literal["online", "offline"]) -> OutboxMessage:
        payload = StatusPayload(
            state=state,
            boot_id=self._boot_id,
            birth_seq=self._birth_seq,
            ts=moment(self._clock()),
            version=self._version,
        )
        return OutboxMessage(self._topics.status, payload.encode(), retain=True)
