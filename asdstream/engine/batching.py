"""Which windows are embedded together, and when: pure, the time is passed in."""

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass

from asdstream.audio.window import Window
from asdstream.engine.batch_times import BatchTimes

BATCH_OF_HOP = 0.25
"""A window that just misses a batch waits for that one and for its own: half a hop in all."""
NEARLY_FREE = 0.75
"""Twice as many windows, each at this share of the time, are done at the same mean moment as one half after the other.
So a larger batch keeps nobody waiting, however long it takes: two cores that would each take one window are not left
idle in turn."""
CHEAPER = 0.95
"""Less is no gain but the scatter of what is measured."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Windows wait for company until a batch is full or one has waited `deadline_s`.

    `sizes`, ascending from 1, are the batch sizes that may be handed out. At most `capacity` windows wait. A batch is
    full with the largest size that takes no more than a quarter of `hop_s`, the shortest hop there is; with a larger
    one where its windows hardly cost more for being together (`NEARLY_FREE`); and, as long as a window has waited for
    longer than `hop_s`, with whatever size is cheapest per window, since then only throughput helps.
    """

    sizes: tuple[int, ...] = (1, 2, 4, 8)
    deadline_s: float = 0.1
    capacity: int = 64
    hop_s: float = math.inf

    def __post_init__(self) -> None:
        if self.sizes[:1] != (1,) or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"batch sizes are {self.sizes}; ascending sizes that begin with 1 are needed")
        if not self.deadline_s >= 0 or self.capacity < self.sizes[-1]:
            raise ValueError(
                f"deadline_s is {self.deadline_s} and capacity {self.capacity}; "
                f"at least 0 and at least {self.sizes[-1]} are needed"
            )
        if not self.hop_s > 0:
            raise ValueError(f"hop_s is {self.hop_s}; more than 0 is needed")

    def full(self, times: BatchTimes, *, behind: bool = False, trying: bool = False) -> int:
        """The size with which a batch is full, given what batches have taken, and whether a hop has been waited.

        With `trying`, a size that is not known where it matters: one batch tells what the times of others leave open.
        """
        gain = CHEAPER if behind else NEARLY_FREE
        full = self.sizes[0]
        for larger in self.sizes[1:]:
            seconds = times.of(larger)
            if seconds > BATCH_OF_HOP * self.hop_s:
                if trying and not times.knows(full):
                    return full
                if seconds / larger > gain * times.of(full) / full:
                    return larger if trying and not times.knows(larger) else full
            full = larger
        return full

    def fitting(self, windows: int) -> int:
        """The largest allowed size of at most so many windows, which are at least one."""
        return max(size for size in self.sizes if size <= windows)


def batch_sizes(max_batch: int) -> tuple[int, ...]:
    """The sizes that are made ready at start: 1, 2, 4, 8, ... and `max_batch` itself.

    Few sizes, because a device prepares itself for each (memory, choice of kernels, a CUDA graph); doubling ones,
    because whatever number waits is then worked off in batches at least half as large as could be.

    Example:
        >>> batch_sizes(12)
        (1, 2, 4, 8, 12)
    """
    powers = (1 << exponent for exponent in range(max_batch.bit_length()))
    return tuple(sorted({*powers, max_batch}))


@dataclass(frozen=True, slots=True, eq=False)
class QueuedWindow:
    """A window that waits, since the monotonic second `queued`."""

    window: Window
    queued: float


class BatchQueue:
    """Windows of many channels waiting for the engine. Not thread-safe.

    Channels take turns, so that none starves, and a channel's windows keep their order. When `capacity` is passed the
    oldest window of the channel with the most waiting goes; those of `kept` channels never do, so that whoever
    fills them must look how many wait. What batches take is learnt from `computed`. They are handed out by `take`, or,
    where several can be under way at the same time, by `take_for_lane`.
    """

    def __init__(self, policy: BatchPolicy, kept: Set[str] = frozenset()) -> None:
        self._policy = policy
        self._times = BatchTimes()
        self._kept = frozenset(kept)
        # In order of the next turn; a channel moves to the end when it is served.
        self._waiting: dict[str, deque[QueuedWindow]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def waiting(self, channel: str) -> int:
        """How many windows of `channel` wait."""
        return len(self._waiting.get(channel, ()))

    def counts(self) -> Mapping[str, int]:
        """How many windows of each channel wait, where any do."""
        return {channel: len(queue) for channel, queue in self._waiting.items()}

    def oldest(self) -> Mapping[str, float]:
        """The monotonic second since which the oldest window of each channel that waits has waited."""
        return {channel: queue[0].queued for channel, queue in self._waiting.items()}

    def put(self, window: Window, now: float) -> Window | None:
        """Let `window` wait, from the monotonic second `now` on; returns the window that goes for it, if any."""
        self._waiting.setdefault(window.channel, deque()).append(QueuedWindow(window, now))
        self._count += 1
        losers = self._waiting.keys() - self._kept
        if self._count <= self._policy.capacity or not losers:
            return None
        return self.drop_oldest(max(losers, key=lambda name: (self.waiting(name), -self._waiting[name][0].queued)))

    def drop_oldest(self, channel: str) -> Window:
        """Take out the window of `channel` that has waited longest; KeyError where none waits."""
        return self._pop(channel).window

    def thin(self, channel: str, keep: Callable[[int], bool]) -> int:
        """Leave only those waiting windows of `channel` whose index `keep` says yes to; returns how many are gone."""
        before = self._waiting.get(channel)
        if before is None:
            return 0
        stay = deque(item for item in before if keep(item.window.index))
        if stay:
            self._waiting[channel] = stay
        else:
            del self._waiting[channel]
        self._count -= len(before) - len(stay)
        return len(before) - len(stay)

    def computed(self, windows: int, seconds: float) -> None:
        """A batch of so many windows took so long."""
        self._times.computed(windows, seconds)

    def due_at(self) -> float | None:
        """The monotonic second from which `take` hands out a batch; None while nothing waits."""
        if not self._count:
            return None
        oldest = min(self.oldest().values())
        return oldest if self._count >= self._policy.full(self._times) else oldest + self._policy.deadline_s

    def take(self, now: float) -> list[QueuedWindow]:
        """The batch that is due at the monotonic second `now`: one of the allowed sizes, or empty."""
        due = self.due_at()
        if due is None or now < due:
            return []
        return self._batch(self._count, now)

    def take_for_lane(self, now: float, lanes: int, busy: Collection[str]) -> list[QueuedWindow]:
        """What one of `lanes` that is free is to begin with: its share of what waits; empty where there is nothing.

        It waits for no company, since there is none to be had that would not be done as soon elsewhere. A channel that
        is `busy` has windows under way, and its others follow them.
        """
        able = sum(len(queue) for channel, queue in self._waiting.items() if channel not in busy)
        return self._batch(max(1, able // lanes), now, busy) if able else []

    def _batch(self, most: int, now: float, busy: Collection[str] = ()) -> list[QueuedWindow]:
        batch: list[QueuedWindow] = []
        behind = now - min(self.oldest().values()) > self._policy.hop_s
        full = self._policy.full(self._times, behind=behind, trying=True)
        size = self._policy.fitting(min(most, full))
        while len(batch) < size:
            channel = next(channel for channel in self._waiting if channel not in busy)
            batch.append(self._pop(channel))
            if channel in self._waiting:
                self._waiting[channel] = self._waiting.pop(channel)
        return batch

    def _pop(self, channel: str) -> QueuedWindow:
        queue = self._waiting[channel]
        item = queue.popleft()
        if not queue:
            del self._waiting[channel]
        self._count -= 1
        return item
