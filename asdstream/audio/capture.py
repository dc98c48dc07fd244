"""The capture worker's round: every source is asked for its sound, every channel cuts it into windows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from asdstream.audio.channel import Channel
from asdstream.audio.source import Source, SourceState
from asdstream.audio.window import Window


@dataclass(frozen=True, slots=True)
class Listener:
    """A source and the channel that its sound belongs to."""

    source: Source
    channel: Channel


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether sound comes in on a channel: `lost` after a stated time without, with one sentence on why."""

    channel: str
    lost: bool
    reason: str


class Capture:
    """Polls listeners in turn; never blocks. Owned by one thread, `now` is monotonic seconds, `utc` since the epoch.

    A channel counts as lost when no sound has come for `lost_after_s`; a source that has ended is not lost.
    """

    def __init__(self, listeners: Sequence[Listener], lost_after_s: float) -> None:
        self._listeners = listeners
        self._lost_after_s = lost_after_s
        self._waiting_since: dict[str, float] = {}
        self._lost: set[str] = set()
        self._finished: set[str] = set()
        self.windows = 0
        """How many have become complete so far."""

    def start(self, now: float) -> None:
        """Open every source. Raises AudioError for one that cannot ever work as configured."""
        for listener in self._listeners:
            listener.source.start(now)
            self._waiting_since[listener.channel.channel_id] = now

    def stop(self) -> None:
        """Release every source."""
        for listener in self._listeners:
            listener.source.stop()

    @property
    def ended(self) -> bool:
        """Whether every source is finite and has delivered everything."""
        return len(self._finished) == len(self._listeners)

    def round(
        self, now: float, utc: float, has_room: Callable[[str], bool], take: Callable[[Window], object]
    ) -> list[Presence]:
        """Hand each window that has become complete to `take`; the channels whose sound has been lost or has come back.

        A source that does not keep to real time is only asked while there is room for its channel. However much sound
        has come at once, one window of it is in memory here at a time.
        """
        changes: list[Presence] = []
        for listener in self._listeners:
            source, channel = listener.source, listener.channel
            if channel.channel_id in self._finished or not (source.paced or has_room(channel.channel_id)):
                continue
            for block in source.poll(now):
                self._hand_over(channel.windows(block, now, utc), take)
            if source.state is SourceState.ENDED:
                self._hand_over(channel.finish(now), take)
                self._finished.add(channel.channel_id)
                continue
            change = self._presence(listener, now)
            if change is not None:
                changes.append(change)
        return changes

    def _hand_over(self, windows: Iterable[Window], take: Callable[[Window], object]) -> None:
        for window in windows:
            self.windows += 1
            take(window)

    def _presence(self, listener: Listener, now: float) -> Presence | None:
        name = listener.channel.channel_id
        last_sound = listener.channel.stats.last_sound
        silent_for = now - (self._waiting_since[name] if last_sound is None else last_sound)
        lost = listener.source.paced and silent_for > self._lost_after_s
        if lost == (name in self._lost):
            return None
        (self._lost.add if lost else self._lost.discard)(name)
        reason = listener.source.problem or f"no sound for {silent_for:.0f} s"
        return Presence(name, lost, reason if lost else "sound comes in again")
