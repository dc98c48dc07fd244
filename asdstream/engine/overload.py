"""What gives way when more sound comes in than the engine can embed: pure, the time is passed in.

In this order:

1. The hop of a channel is widened: of its windows only every second one is embedded, then every fourth, and so on, but
   never so few that sound would go by unheard (`longest_hop_s`, the length of a window).
2. When no channel can be widened any more, the oldest window of the channel furthest behind is dropped, as long as a
   newer one of that channel waits: what is scored is never staler than need be.

A channel is behind when its oldest window has waited for longer than its hop, and furthest behind is the one that has
waited for the most hops. Widened first, rather than all alike, is the channel with the shortest hop of the moment: it
is most of the load and loses least, and no more channels give way than must. Among equals it is the one that has
waited longest, so that of channels with one hop each is widened once before any is widened twice.

What this means to those who come after:

- Alarms count windows (k of n). A widened hop makes windows rarer, so an alarm is raised later by the same factor
  and cleared later by the same factor. Windows that are not scored are evidence of nothing: they neither raise nor
  clear, and `longest_hop_s` lies below the gap after which an alarm forgets what it counted.
- The threshold is set for the configured hop. False alarms a day are bounded by windows a day, of which a widened
  hop has fewer, so that they become rarer, never more frequent.

When nobody has been behind for a while, hops go back, the widest first: as many as there is spare time for, and
always at least one, because the time that a window takes may have been measured in small batches and look worse
than it is. When that was too early, the next attempt waits twice as long.
"""

import math
import statistics
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from asdstream.audio.window import WINDOW_SECONDS

RECENT = 5
"""Batches whose median is the measured time per window: one that met a stall does not count."""
ABSENT_AFTER_HOPS = 3.0
"""A channel without a window for so many hops is no load at present."""


@dataclass(frozen=True, slots=True)
class OverloadPolicy:
    """The numbers behind the order in which work gives way. Seconds, and shares of the engine's time.

    Attributes:
        late_s: less than this is never late, however short the hop.
        longest_hop_s: no hop is widened beyond this.
        full: hops are widened until this share of the engine's time is taken up.
        spare: hops go back as long as no more than this share will be taken up.
        settle_s: from one widening to the next; while waits shrink as they should, `calm_s`.
        calm_s: from the last moment that a channel was behind to the first attempt to go back.
        longest_calm_s: the same after many attempts that came too early.
    """

    late_s: float = 1.0
    longest_hop_s: float = WINDOW_SECONDS
    full: float = 0.9
    spare: float = 0.7
    settle_s: float = 2.0
    calm_s: float = 10.0
    longest_calm_s: float = 320.0

    def __post_init__(self) -> None:
        if min(self.late_s, self.settle_s, self.calm_s) < 0 or self.longest_calm_s < self.calm_s:
            raise ValueError("times should not be negative, and longest_calm_s not below calm_s")
        if not 0 < self.spare < self.full:
            raise ValueError(f"spare should lie above 0 and below full = {self.full}, not at {self.spare}")


@dataclass(frozen=True, slots=True)
class HopChange:
    """A channel's hop has become `factor` times the configured one, `hop_s` seconds."""

    channel: str
    factor: int
    hop_s: float
    widened: bool


@dataclass(frozen=True, slots=True)
class Shedding:
    """What a channel has given way so far: the hop it has now, and counts since the start.

    `hop_widened` counts the steps by which its hop was widened, `windows_shed` the windows left out because of that,
    `windows_dropped` those that were pushed out of the queue.
    """

    hop_s: float
    hop_widened: int = 0
    windows_shed: int = 0
    windows_dropped: int = 0


class Overload:
    """Decides what gives way, and counts it. Not thread-safe; the times passed in are monotonic seconds.

    `hops` are the configured hops, in seconds, of the channels that keep to real time. Others wait for the engine by
    themselves, and nothing of them is ever shed.
    """

    def __init__(self, hops: Mapping[str, float], policy: OverloadPolicy | None = None) -> None:
        self._policy = policy or OverloadPolicy()
        self._channels = {name: _Channel(hop_s, place) for place, (name, hop_s) in enumerate(hops.items())}
        self._seconds_per_window: deque[float] = deque(maxlen=RECENT)
        self._widened_at = -math.inf
        self._worst_s = 0.0
        self._calm_since: float | None = None
        self._patience_s = self._policy.calm_s
        self._narrowed_at = -math.inf

    @property
    def channels(self) -> int:
        """How many channels keep to real time."""
        return len(self._channels)

    def shedding(self, channel: str) -> Shedding | None:
        """What `channel` has given way; None for one that waits for the engine."""
        found = self._channels.get(channel)
        return None if found is None else found.shedding()

    def wants(self, channel: str, index: int) -> bool:
        """Whether the window of that index is to be embedded at the hop that the channel has now."""
        found = self._channels.get(channel)
        # The place spreads channels of one hop over time, or all would come in the same moment.
        return found is None or (index + found.place) % found.factor == 0

    def arrived(self, channel: str, now: float) -> None:
        """A window of `channel` has come, whether wanted or not."""
        found = self._channels.get(channel)
        if found is not None:
            found.arrived_at = now

    def shed(self, channel: str, windows: int) -> None:
        """So many windows of `channel` were not wanted."""
        self._channels[channel].counts["shed"] += windows

    def dropped(self, channel: str) -> None:
        """A window of `channel` was pushed out of the queue."""
        if channel in self._channels:
            self._channels[channel].counts["dropped"] += 1

    def computed(self, windows: int, seconds: float) -> None:
        """A batch of so many windows took the engine so long."""
        self._seconds_per_window.append(seconds / windows)

    def adjust(self, oldest: Mapping[str, float], now: float) -> list[HopChange]:
        """Widen hops, or let them go back; `oldest` is when the oldest waiting window of each channel was queued.

        After a change only the windows that the channel `wants` belong in the queue.
        """
        waited = {name: now - since for name, since in oldest.items() if name in self._channels}
        if any(self._is_late(name, seconds) for name, seconds in waited.items()):
            self._calm_since = None
            return [] if self._is_recovering(waited, now) else self._widen(waited, now)
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < self._patience_s:
            return []
        if all(channel.factor == 1 for channel in self._channels.values()):
            self._patience_s = self._policy.calm_s
            return []
        return self._narrow(now)

    def to_drop(self, oldest: Mapping[str, float], waiting: Mapping[str, int], now: float) -> str | None:
        """The channel whose oldest window is to be dropped now; None where none is. To be asked until it is None.

        `waiting` counts the windows that wait, by channel.
        """
        if any(self._can_widen(name) for name in self._present(now)):
            return None
        stale = {
            name: (now - since) / self._channels[name].current_hop_s
            for name, since in oldest.items()
            if name in self._channels and waiting[name] > 1 and self._is_late(name, now - since)
        }
        return max(stale, key=lambda name: stale[name], default=None)

    def load(self, now: float) -> float:
        """The share of the engine's time that the channels take at their hops of now; 0 before the first batch."""
        if not self._seconds_per_window:
            return 0.0
        rate = sum(1 / self._channels[name].current_hop_s for name in self._present(now))
        return rate * statistics.median(self._seconds_per_window)

    def _is_recovering(self, waited: Mapping[str, float], now: float) -> bool:
        """Whether the last widening is still to take effect: what had piled up by then takes its time."""
        since_s = now - self._widened_at
        shrinks = max(waited.values()) < self._worst_s and self.load(now) <= self._policy.full
        return since_s < (self._policy.calm_s if shrinks else self._policy.settle_s)

    def _widen(self, waited: Mapping[str, float], now: float) -> list[HopChange]:
        changes: list[HopChange] = []
        while True:
            able = [name for name in self._present(now) if self._can_widen(name)]
            if not able or (changes and self.load(now) <= self._policy.full):
                break
            name = min(able, key=lambda name: (self._channels[name].current_hop_s, -waited.get(name, 0.0)))
            changes.append(self._change(name, 2))
        if changes:
            self._widened_at = now
            self._worst_s = max(waited.values())
            if now - self._narrowed_at < 2 * self._patience_s:
                self._patience_s = min(2 * self._patience_s, self._policy.longest_calm_s)
                self._narrowed_at = -math.inf
        return changes

    def _narrow(self, now: float) -> list[HopChange]:
        changes: list[HopChange] = []
        while True:
            wide = [name for name, channel in self._channels.items() if channel.factor > 1]
            if not wide:
                break
            name = max(wide, key=lambda name: self._channels[name].factor)
            self._channels[name].factor //= 2
            fits = self.load(now) <= self._policy.spare
            self._channels[name].factor *= 2
            if changes and not fits:
                break
            changes.append(self._change(name, 0.5))
        self._calm_since = self._narrowed_at = now
        return changes

    def _change(self, name: str, by: float) -> HopChange:
        channel = self._channels[name]
        channel.factor = int(channel.factor * by)
        channel.counts["widened"] += by > 1
        return HopChange(name, channel.factor, channel.current_hop_s, widened=by > 1)

    def _is_late(self, name: str, seconds: float) -> bool:
        return seconds > max(self._channels[name].current_hop_s, self._policy.late_s)

    def _can_widen(self, name: str) -> bool:
        return 2 * self._channels[name].current_hop_s <= self._policy.longest_hop_s

    def _present(self, now: float) -> list[str]:
        """Channels whose sound comes in."""
        return [
            name
            for name, channel in self._channels.items()
            if now - channel.arrived_at <= ABSENT_AFTER_HOPS * channel.hop_s + self._policy.late_s
        ]


class _Channel:
    """A channel's hop, and what it has given way."""

    def __init__(self, hop_s: float, place: int) -> None:
        self.hop_s = hop_s
        self.place = place
        self.factor = 1
        self.arrived_at = -math.inf
        self.counts: Counter[str] = Counter()

    @property
    def current_hop_s(self) -> float:
        return self.hop_s * self.factor

    def shedding(self) -> Shedding:
        return Shedding(self.current_hop_s, self.counts["widened"], self.counts["shed"], self.counts["dropped"])
