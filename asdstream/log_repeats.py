"""The same failure again and again: said once, then by count."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.typing import EventDict, WrappedLogger

AGAIN_AFTER_S = 60.0
"""What goes on failing is said once a minute, with how often it has failed."""
REMEMBERED = 256
"""Different lines; the one that has been silent for longest is forgotten first."""
_LOUD = ("warning", "error", "exception", "critical")


@dataclass(slots=True)
class _Line:
    said_at: float
    kept_back: int = 0


class Repeats:
    """A structlog processor that keeps back a warning or an error which says just what an earlier one said.

    Lines are the same when event and every field are: an alarm, whose `event_id` is its own, never is. One that was
    kept back is said again after `again_after_s`, with `repeated` telling how many came in between. To stand before
    time stamps are added.
    """

    def __init__(self, again_after_s: float = AGAIN_AFTER_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._again_after_s = again_after_s
        self._clock = clock
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Let `event` pass, or raise DropEvent."""
        if method not in _LOUD:
            return event
        # An exception's text tells where it came from; objects are the same when they look the same.
        key = repr((method, sorted((name, repr(value)) for name, value in event.items())))
        now = self._clock()
        with self._lock:
            line = self._lines.get(key)
            if line is not None and now - line.said_at < self._again_after_s:
                line.kept_back += 1
                raise structlog.DropEvent
            kept_back = 0 if line is None else line.kept_back
            self._lines[key] = _Line(now)
            self._lines.move_to_end(key)
            while len(self._lines) > REMEMBERED:
                self._lines.popitem(last=False)
        return {**event, "repeated": kept_back} if kept_back else event
