"""What people can do to an alarm. `actor` names who did; `alarm_id` which alarm."""

from dataclasses import dataclass

from asdstream.errors import AsdstreamError


class CommandRefusedError(AsdstreamError):
    """A command that makes no sense as the alarm stands; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody has seen it and sees to it."""

    alarm_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class Shelve:
    """Put it aside until `until`, UTC seconds; with `one_shot` at most until it has cleared."""

    alarm_id: str
    actor: str
    until: float
    one_shot: bool = False


@dataclass(frozen=True, slots=True)
class Unshelve:
    """Take it off the shelf."""

    alarm_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Let go of an alarm that is latched, now that its condition is over."""

    alarm_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class TakeOutOfService:
    """Nothing is announced until it is put back into service: the machine is being mended, say."""

    alarm_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class ReturnToService:
    """Announce again."""

    alarm_id: str
    actor: str


Command = Acknowledge | Shelve | Unshelve | Reset | TakeOutOfService | ReturnToService
