"""What is wrong with the listening, in sentences that the technical alarms go by."""

from collections.abc import Mapping

from asdstream.alarms.event import AlarmKind
from asdstream.audio.capture import Listener
from asdstream.audio.quality import SILENT_DBFS
from asdstream.audio.source import SourceState
from asdstream.engine.overload import Shedding

ROOM_AGAIN = 1.2
"""Times the least room on the disk: from there it counts as mended, so that the alarm does not flutter."""
MB = 1_000_000
OF_THE_SOUND = (AlarmKind.SILENT, AlarmKind.CLIPPED, AlarmKind.STALLED)

Troubles = Mapping[AlarmKind, str | None]
"""By kind what is wrong, None where nothing is; of a kind that is left out nobody can say."""


class ChannelTroubles:
    """Looks at one channel, about once a second. The sentences hold no numbers that change: each is told as news."""

    def __init__(self, listener: Listener, lost_after_s: float, clipped_share: float) -> None:
        self._listener = listener
        self._lost_after_s = lost_after_s
        self._clipped_share = clipped_share
        self._windows = 0
        self._scored = 0
        self._windows_when_scored = 0

    def look(self, now: float, scored: int, *, ready: bool) -> Troubles:
        """At monotonic second `now`, with `scored` windows so far; `ready` says whether there is what to score against.

        While no sound comes in, the alarm of the source says so, and nothing else can be told. Nothing ever is of
        recordings that have ended.
        """
        source, stats = self._listener.source, self._listener.channel.stats
        found: dict[AlarmKind, str | None] = {}
        if source.state is SourceState.ENDED:
            return found
        hears = stats.last_sound is not None and now - stats.last_sound <= self._lost_after_s
        if hears:
            found[AlarmKind.SOURCE] = None
            found[AlarmKind.UNSCORED] = self._unscored(stats.windows, scored, ready=ready)
            # Seconds mean nothing in recordings that are read as fast as possible.
            found |= self._of_the_sound() if source.paced else dict.fromkeys(OF_THE_SOUND)
        self._windows = stats.windows
        return found

    def _of_the_sound(self) -> Troubles:
        stats = self._listener.channel.stats
        silent = f"the sound is quieter than {SILENT_DBFS:.0f} dBFS, as only that of a dead input is"
        clipped = f"{100 * self._clipped_share:g} % of the samples or more are clipped: the input is too loud"
        stalled = "sound comes in, but in such pieces that no window becomes complete"
        return {
            AlarmKind.SILENT: silent if stats.silent else None,
            AlarmKind.CLIPPED: clipped if stats.clipped >= self._clipped_share else None,
            AlarmKind.STALLED: stalled if stats.windows == self._windows else None,
        }

    def _unscored(self, windows: int, scored: int, *, ready: bool) -> str | None:
        if scored != self._scored:
            self._scored, self._windows_when_scored = scored, windows
        if windows == self._windows_when_scored:
            return None
        return "windows become complete, but none is scored" if ready else "there is nothing to score against"


class NodeTroubles:
    """Looks at what all channels share, about once a second."""

    def __init__(self, hops: Mapping[str, float], free_min_mb: float) -> None:
        self._hops = hops
        self._free_min_mb = free_min_mb
        self._dropped = 0

    def look(
        self, shedding: Mapping[str, Shedding], free_bytes: int | None, store_problem: str | None = None
    ) -> Troubles:
        """With what channels have given way, the room on the disk of the store, None where it cannot be told, and why
        the store takes nothing, None where it does.
        """
        found: dict[AlarmKind, str | None] = {AlarmKind.OVERLOAD: None}
        dropped = sum(given.windows_dropped for given in shedding.values())
        if dropped > self._dropped or any(given.hop_s > self._hops[name] for name, given in shedding.items()):
            found[AlarmKind.OVERLOAD] = "the engine cannot keep up: windows are left out"
        self._dropped = dropped
        if store_problem is not None:
            found[AlarmKind.DISK] = f"alarms cannot be stored: {store_problem}"
        elif free_bytes is not None:
            free_mb = free_bytes / MB
            if free_mb < self._free_min_mb:
                found[AlarmKind.DISK] = f"less than {self._free_min_mb:g} MB are free on the disk of the store"
            elif free_mb >= ROOM_AGAIN * self._free_min_mb:
                found[AlarmKind.DISK] = None
        return found
