"""What one look has found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from asdstream.errors import AsdstreamError


class State(StrEnum):
    """How what was looked at is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not for long, or not as well as it should."""
    FAILED = "failed"


_MARKS = {State.OK: "ok  ", State.WARNING: "warn", State.FAILED: "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Of `subject`: how it is, a sentence on that, and the command or the step that mends it, where it is not well."""

    subject: str
    state: State
    says: str
    mend: str | None = None

    @property
    def line(self) -> str:
        """Without what mends it, for people."""
        return f"{_MARKS[self.state]}  {self.subject}: {self.says}"


Look = Callable[[], Iterator[Finding]]


def ok(subject: str, says: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, says)


def warning(subject: str, says: str, mend: str) -> Finding:
    """It works, but."""
    return Finding(subject, State.WARNING, says, mend)


def failed(subject: str, says: str, mend: str) -> Finding:
    """The daemon cannot do its work like this."""
    return Finding(subject, State.FAILED, says, mend)


def guarded(subject: str, look: Look, mend: str) -> Iterator[Finding]:
    """What `look` finds; where it ends with an error, that is a finding too, which `mend` mends."""
    try:
        yield from look()
    except AsdstreamError as error:
        yield failed(subject, str(error), mend)
    except Exception as error:
        # Where something is wrong nobody knows what else is; whoever looks must come to the end.
        yield failed(subject, f"it cannot be looked at: {type(error).__name__}: {error}", mend)
