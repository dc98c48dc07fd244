"""What every source of sound looks like to the capture worker."""

from enum import StrEnum
from typing import Protocol

from asdstream.audio.block import AudioBlock
from asdstream.errors import AsdstreamError


class AudioError(AsdstreamError):
    """Sound that cannot be read: a device, a file or a message that is not what it should be."""


class SourceState(StrEnum):
    """How a source stands."""

    WAITING = "waiting"
    """Nothing has come yet, or nothing comes at present (device away, no message)."""
    LIVE = "live"
    ENDED = "ended"
    """A finite source (files) has delivered everything."""


class Source(Protocol):
    """One stream of sound. Threads of its own, if any, stay inside; `poll` never blocks.

    `paced` says whether the source keeps to real time; one that does not (files read as fast as possible) must only
    be polled while there is room for what it returns. `now` is monotonic seconds.
    """

    @property
    def paced(self) -> bool: ...

    @property
    def state(self) -> SourceState: ...

    @property
    def problem(self) -> str | None:
        """One sentence on what is wrong at present, None when nothing is."""

    @property
    def rejected(self) -> int:
        """How many messages or files were refused so far."""

    def start(self, now: float) -> None:
        """Open what needs opening. A device that is away is no error: the source waits for it."""

    def poll(self, now: float) -> list[AudioBlock]:
        """Whatever sound has arrived since the last call, oldest first; an empty list where there is none."""

    def stop(self) -> None:
        """Release everything; safe to call twice."""
