"""The alarm that says that a machine sounds wrong: windows go in, transitions come out."""

import math
from dataclasses import dataclass, replace

from asdstream.alarms.alarm import Alarm
from asdstream.alarms.condition import WindowCondition, WindowMemory
from asdstream.alarms.event import AlarmEvent, Condition
from asdstream.alarms.finding import Finding
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.severity import anomaly_severity, priority_of
from asdstream.scoring.scored_window import ScoredWindow


@dataclass(frozen=True, slots=True)
class Course:
    """How the standing occurrence has gone so far, in seconds from window to window.

    `lasted_s` since it was raised, `over_s` of them over the threshold, `since_told_s` since its latest event; `news`
    says whether there is something to tell.
    """

    lasted_s: float = 0.0
    over_s: float = 0.0
    since_told_s: float = 0.0
    news: bool = False


class AnomalyAlarm:
    """Moves the anomaly alarm of a channel by what its windows say."""

    def __init__(self, policy: AlarmPolicy, alarm: Alarm, windows: WindowMemory, course: Course) -> None:
        self.alarm = alarm
        self.course = course
        self._policy = policy
        self._condition = WindowCondition(policy, windows)

    @property
    def windows(self) -> WindowMemory:
        """What is remembered of the windows."""
        return self._condition.memory

    def forget_windows(self) -> None:
        """Sound was lost: windows from before have nothing to do with those after."""
        self._condition.forget()

    def observe(self, scored: ScoredWindow) -> list[AlarmEvent]:
        """Take in the next window. One whose score is not a number says nothing, neither for an alarm nor against."""
        if not all(map(math.isfinite, (scored.score, scored.calibrated, scored.threshold))):
            return []
        came_back = scored.anomalous and self._condition.quiet_windows > 0
        step_s = self._condition.observe(scored)
        events = self.alarm.trust(scored.ended_at)
        if not self.alarm.state.active:
            return events + self._maybe_begin(scored)
        course = self.course
        self.course = replace(
            course,
            lasted_s=course.lasted_s + step_s,
            over_s=course.over_s + step_s * scored.anomalous,
            since_told_s=course.since_told_s + step_s,
        )
        if self.alarm.state.condition is Condition.NORMAL:
            return events + self._maybe_begin(scored)
        return events + self._while_it_holds(scored, came_back=came_back)

    def _maybe_begin(self, scored: ScoredWindow) -> list[AlarmEvent]:
        if not self._condition.holds:
            return []
        state, over = self.alarm.state, self._condition.over
        if state.active:
            found = self._found(scored, self._condition.reason)
            self.course = replace(self.course, since_told_s=0.0, news=False)
        else:
            self.course = Course()
            found = Finding(
                self._condition.reason,
                anomaly_severity(self._condition.level, 0.0),
                scored.score,
                max(window.score for window in over),
                scored.threshold,
                len(over),
            )
        return self.alarm.begin(scored.ended_at, found)

    def _while_it_holds(self, scored: ScoredWindow, *, came_back: bool) -> list[AlarmEvent]:
        before = self.alarm.state
        events = self.alarm.go_on(scored.ended_at, self._found(scored, before.reason))
        state = self.alarm.state
        if self._condition.is_over and self.course.lasted_s >= self._policy.min_duration_s:
            quiet = self._condition.quiet_windows
            self._condition.forget_over()
            return events + self.alarm.end(scored.ended_at, f"{quiet} windows in a row sounded normal")
        worse = scored.anomalous and state.peak_score != before.peak_score
        worse = worse or state.priority is not priority_of(before.severity)
        self.course = replace(self.course, news=self.course.news or worse or came_back)
        due = self.course.news and self.course.since_told_s >= self._policy.update_interval_s
        if events or (due and not state.quiet):
            self.course = replace(self.course, since_told_s=0.0, news=False)
        if due and not events:
            events = self.alarm.tell(scored.ended_at, self._condition.reason)
        return events

    def _found(self, scored: ScoredWindow, reason: str) -> Finding:
        state = self.alarm.state
        return Finding(
            reason,
            anomaly_severity(self._condition.level, self.course.over_s),
            scored.score,
            scored.score if state.peak_score is None else max(state.peak_score, scored.score),
            scored.threshold,
            state.windows + scored.anomalous,
        )
