"""Which windows are embedded together, and when: pure, the time is passed in."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from asdstream.audio.window import Window


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Windows wait for company until `sizes[-1]` are there or one has waited `deadline_s`.

    `sizes`, ascending from 1, are the batch sizes that may be handed out. At most `capacity` windows wait.
    """

    sizes: tuple[int, ...] = (1, 2, 4, 8)
    deadline_s: float = 0.1
    capacity: int = 64

    def __post_init__(self) -> None:
        if self.sizes[:1] != (1,) or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"batch sizes are {self.sizes}; ascending sizes that begin with 1 are needed")
        if not self.deadline_s >= 0 or self.capacity < self.sizes[-1]:
            raise ValueError(
                f"deadline_s is {self.deadline_s} and capacity {self.capacity}; "
                f"at least 0 and at least {self.sizes[-1]} are needed"
            )

    def size_for(self, waiting: int) -> int:
        """The largest allowed size that `waiting` windows fill; 0 for none."""
        return max((size for size in self.sizes if size <= waiting), default=0)


class BatchQueue:
    """Windows of many channels waiting for the engine. Not thread-safe; one worker owns it.

    Channels take turns, so that none starves, and a channel's windows keep their order. When `capacity` is passed the
    oldest window of the channel with the most waiting is dropped, and counted.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        # In order of the next turn; a channel moves to the end when it is served.
        self._waiting: dict[str, deque[tuple[float, Window]]] = {}
        self._count = 0
        self._dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    @property
    def dropped(self) -> Mapping[str, int]:
        """Windows dropped so far, by channel."""
        return dict(self._dropped)

    def put(self, window: Window, now: float) -> Window | None:
        """Let `window` wait, from the monotonic second `now` on; returns the window dropped for it, if any."""
        self._waiting.setdefault(window.channel, deque()).append((now, window))
        self._count += 1
        if self._count <= self._policy.capacity:
            return None
        furthest_behind = max(self._waiting, key=lambda channel: len(self._waiting[channel]))
        dropped = self._pop(furthest_behind)
        self._dropped[furthest_behind] += 1
        return dropped

    def due_at(self) -> float | None:
        """The monotonic second from which `take` hands out a batch; None while nothing waits."""
        if not self._count:
            return None
        oldest = min(queue[0][0] for queue in self._waiting.values())
        return oldest if self._count >= self._policy.sizes[-1] else oldest + self._policy.deadline_s

    def take(self, now: float) -> list[Window]:
        """The batch that is due at the monotonic second `now`: one of the allowed sizes, or empty."""
        due = self.due_at()
        if due is None or now < due:
            return []
        return self._turn(self._policy.size_for(self._count))

    def drain(self) -> list[Window]:
        """The next batch whether due or not, for the end of a finite source; empty when nothing waits."""
        return self._turn(self._policy.size_for(self._count))

    def _turn(self, size: int) -> list[Window]:
        batch: list[Window] = []
        while len(batch) < size:
            channel = next(iter(self._waiting))
            batch.append(self._pop(channel))
            if channel in self._waiting:
                self._waiting[channel] = self._waiting.pop(channel)
        return batch

    def _pop(self, channel: str) -> Window:
        queue = self._waiting[channel]
        _, window = queue.popleft()
        if not queue:
            del self._waiting[channel]
        self._count -= 1
        return window
