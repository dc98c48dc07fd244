"""What waits in the outbox until the broker has it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that must not be lost; sent with quality of service 1, in the order in which it was committed.

    One that is not `essential` only adds to what others tell. It goes before those do where there is no room left, as
    does a retained message that a later one of its topic has made stale.
    """

    topic: str
    payload: bytes
    retain: bool = False
    essential: bool = True


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message with its place in the order: ids grow and are never used twice."""

    id: int
    message: OutboxMessage
