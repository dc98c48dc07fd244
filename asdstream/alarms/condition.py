"""Whether the windows of a channel say that its machine sounds wrong: k of n, delays, hysteresis.

Durations are sums of the steps from window to window on the monotonic clock, so that somebody who sets the computer's
clock changes nothing. Only across a restart, over which no monotonic clock goes on, a step is told by UTC.

Where the engine cannot keep up, windows are further apart than the configured hop (asdstream.engine.overload). The
condition still asks for as many windows, which then span more time: the absence of a window is evidence of nothing.
"""

from collections import deque
from dataclasses import dataclass

from asdstream.alarms.policy import AlarmPolicy
from asdstream.scoring.scored_window import ScoredWindow


@dataclass(frozen=True, slots=True)
class Over:
    """A window over the threshold: its score, and its calibrated score (1 is the threshold)."""

    score: float
    level: float


@dataclass(frozen=True, slots=True)
class WindowMemory:
    """What is remembered of the windows so far.

    `history` holds the latest n, oldest first, None for one not over the threshold. `quiet_windows` of the latest in a
    row were at or under the clear level, for `quiet_s`; k of n have been over the threshold for `over_s`, None where
    they are not. `latest` is the end of the latest window in UTC seconds.
    """

    history: tuple[Over | None, ...] = ()
    quiet_windows: int = 0
    quiet_s: float = 0.0
    over_s: float | None = None
    latest: float | None = None


class WindowCondition:
    """Looks at the windows of one channel, in order."""

    def __init__(self, policy: AlarmPolicy, memory: WindowMemory) -> None:
        self._policy = policy
        self._history = deque(memory.history, maxlen=policy.n)
        self._quiet_windows = memory.quiet_windows
        self._quiet_s = memory.quiet_s
        self._over_s = memory.over_s
        self._latest = memory.latest
        self._heard: float | None = None

    @property
    def memory(self) -> WindowMemory:
        """From which another `WindowCondition` goes on."""
        return WindowMemory(tuple(self._history), self._quiet_windows, self._quiet_s, self._over_s, self._latest)

    def observe(self, scored: ScoredWindow) -> float:
        """Take in the next window, whose scores are finite; gives the seconds since the one before.

        After a gap there is no window before: what was counted is forgotten, and no time has passed.
        """
        step_s = self._step(scored)
        self._history.append(Over(scored.score, scored.calibrated) if scored.anomalous else None)
        if not scored.anomalous and scored.calibrated <= self._policy.clear_level:
            self._quiet_s += step_s if self._quiet_windows else 0.0
            self._quiet_windows += 1
        else:
            self._quiet_windows, self._quiet_s = 0, 0.0
        if len(self.over) < self._policy.k:
            self._over_s = None
        else:
            self._over_s = 0.0 if self._over_s is None else self._over_s + step_s
        return step_s

    def forget(self) -> None:
        """What comes next has nothing to do with what was."""
        self.forget_over()
        self._quiet_windows, self._quiet_s = 0, 0.0

    def forget_over(self) -> None:
        """The windows over the threshold have done their part: they shall not raise another alarm."""
        self._history.clear()
        self._over_s = None

    @property
    def over(self) -> list[Over]:
        """Those of the latest n windows that were over the threshold, oldest first."""
        return [window for window in self._history if window is not None]

    @property
    def holds(self) -> bool:
        """Whether k of n have been over the threshold for the on-delay."""
        return self._over_s is not None and self._over_s >= self._policy.on_delay_s

    @property
    def is_over(self) -> bool:
        """Whether it has been quiet for as many windows and as long as it takes to clear."""
        return self._quiet_windows >= self._policy.clear_windows and self._quiet_s >= self._policy.off_delay_s

    @property
    def quiet_windows(self) -> int:
        """The latest windows in a row at or under the clear level."""
        return self._quiet_windows

    @property
    def level(self) -> float:
        """The calibrated score that k of the latest n windows reach, so that one loud window alone says little.

        1, the threshold, where fewer than k are over it.
        """
        levels = sorted((window.level for window in self.over), reverse=True)
        return levels[self._policy.k - 1] if len(levels) >= self._policy.k else 1.0

    @property
    def reason(self) -> str:
        """What the windows say, in words."""
        return f"{len(self.over)} of the latest {len(self._history)} windows over the threshold"

    def _step(self, scored: ScoredWindow) -> float:
        if scored.heard is not None and self._heard is not None:
            step_s = scored.heard - self._heard
        else:
            step_s = 0.0 if self._latest is None else scored.ended_at - self._latest
        self._latest, self._heard = scored.ended_at, scored.heard
        if 0.0 <= step_s <= self._policy.gap_s:
            return step_s
        self.forget()
        return 0.0
