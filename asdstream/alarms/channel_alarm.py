"""The alarms of one channel as a pure state machine: windows and losses go in, transitions come out.

It has no clock: time is what the windows and the caller say. Durations are sums of the steps from window to window on
the monotonic clock, so that somebody who sets the computer's clock neither raises, clears nor delays an alarm. Only
across a restart, over which no monotonic clock goes on, a step is told by UTC.

Where the engine cannot keep up, windows are further apart than the configured hop (asdstream.engine.overload). Raising
and clearing still ask for as many windows, which then span more time: the absence of a window is evidence of nothing.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.scoring.scored_window import ScoredWindow


class ChannelAlarm:
    """The anomaly alarm and the source alarm of one channel.

    `new_id` makes ULIDs; a `snapshot` taken earlier continues where it was taken. An anomaly that stands when the
    source is lost goes on standing: silence is no evidence of health.

    Example:
        alarm = ChannelAlarm(AlarmPolicy(), "pump", "pump-7", new_id)
        for event in alarm.observe(scored_window): ...
    """

    def __init__(
        self,
        policy: AlarmPolicy,
        channel: str,
        machine: str,
        new_id: Callable[[], str],
        snapshot: AlarmSnapshot | None = None,
    ) -> None:
        if snapshot is not None and snapshot.channel != channel:
            raise ValueError(f'a snapshot of channel "{snapshot.channel}" does not fit channel "{channel}"')
        remembered = snapshot if snapshot is not None else AlarmSnapshot(channel)
        self._policy = policy
        self._channel = channel
        self._machine = machine
        self._new_id = new_id
        self._anomaly = remembered.anomaly
        self._source = remembered.source
        self._history = deque(remembered.history, maxlen=policy.n)
        self._quiet_windows = remembered.quiet_windows
        self._lasted_s = remembered.lasted_s
        self._since_told_s = remembered.since_told_s
        self._news = remembered.news
        self._latest = remembered.latest
        self._heard: float | None = None

    @property
    def states(self) -> tuple[AlarmState, ...]:
        """The alarms as they stand or last stood."""
        return self.snapshot().states

    def snapshot(self) -> AlarmSnapshot:
        """All that a new `ChannelAlarm` needs to go on from here."""
        return AlarmSnapshot(
            channel=self._channel,
            anomaly=self._anomaly,
            source=self._source,
            history=tuple(self._history),
            quiet_windows=self._quiet_windows,
            lasted_s=self._lasted_s,
            since_told_s=self._since_told_s,
            news=self._news,
            latest=self._latest,
        )

    def observe(self, scored: ScoredWindow) -> list[AlarmEvent]:
        """Take in the next window. One whose score is not a number says nothing, neither for an alarm nor against."""
        if not all(map(math.isfinite, (scored.score, scored.calibrated, scored.threshold))):
            return []
        step_s = self._step(scored)
        self._history.append(scored.score if scored.anomalous else None)
        came_back = scored.anomalous and self._quiet_windows > 0
        quiet = not scored.anomalous and scored.calibrated <= self._policy.clear_level
        self._quiet_windows = self._quiet_windows + 1 if quiet else 0
        if self._anomaly is None or not self._anomaly.active:
            return self._maybe_raise(scored)
        self._lasted_s += step_s
        self._since_told_s += step_s
        return self._while_active(self._anomaly, scored, came_back=came_back)

    def source_lost(self, at: float, reason: str) -> list[AlarmEvent]:
        """No sound comes in, for `reason`; a repeated call tells only of a new reason."""
        self._forget_windows()
        if self._source is not None and self._source.active:
            if self._source.reason == reason:
                return []
            self._source = replace(self._source, updated_at=at, reason=reason)
            return [self._event(Transition.UPDATED, at, self._source)]
        self._source = self._new_state(AlarmKind.SOURCE, at, reason)
        return [self._event(Transition.RAISED, at, self._source)]

    def source_back(self, at: float) -> list[AlarmEvent]:
        """Sound comes in again."""
        if self._source is None or not self._source.active:
            return []
        self._source = _cleared(self._source, at, "sound comes in again")
        return [self._event(Transition.CLEARED, at, self._source)]

    def retire(self, at: float, reason: str) -> list[AlarmEvent]:
        """Clear whatever stands because nobody listens to this channel any more."""
        events = []
        self._forget_windows()
        if self._anomaly is not None and self._anomaly.active:
            self._anomaly = _cleared(self._anomaly, at, reason)
            events.append(self._event(Transition.CLEARED, at, self._anomaly))
        if self._source is not None and self._source.active:
            self._source = _cleared(self._source, at, reason)
            events.append(self._event(Transition.CLEARED, at, self._source))
        return events

    def _step(self, scored: ScoredWindow) -> float:
        """Seconds since the window before; after a gap there is no window before."""
        if scored.heard is not None and self._heard is not None:
            step_s = scored.heard - self._heard
        else:
            step_s = 0.0 if self._latest is None else scored.ended_at - self._latest
        self._latest, self._heard = scored.ended_at, scored.heard
        if 0.0 <= step_s <= self._policy.gap_s:
            return step_s
        self._forget_windows()
        return 0.0

    def _forget_windows(self) -> None:
        self._history.clear()
        self._quiet_windows = 0

    def _maybe_raise(self, scored: ScoredWindow) -> list[AlarmEvent]:
        over = [score for score in self._history if score is not None]
        if len(over) < self._policy.k:
            return []
        self._anomaly = replace(
            self._new_state(
                AlarmKind.ANOMALY,
                scored.ended_at,
                f"{len(over)} of the latest {len(self._history)} windows over the threshold",
            ),
            score=scored.score,
            peak_score=max(over),
            threshold=scored.threshold,
            windows=len(over),
        )
        self._lasted_s = self._since_told_s = 0.0
        self._news = False
        return [self._event(Transition.RAISED, scored.ended_at, self._anomaly)]

    def _while_active(self, state: AlarmState, scored: ScoredWindow, *, came_back: bool) -> list[AlarmEvent]:
        peak = scored.score if state.peak_score is None else max(state.peak_score, scored.score)
        worse = scored.anomalous and peak != state.peak_score
        self._news = self._news or worse or came_back
        state = replace(
            state,
            updated_at=scored.ended_at,
            score=scored.score,
            peak_score=peak,
            threshold=scored.threshold,
            windows=state.windows + scored.anomalous,
        )
        self._anomaly = state
        if self._quiet_windows >= self._policy.clear_windows and self._lasted_s >= self._policy.min_duration_s:
            self._anomaly = _cleared(state, scored.ended_at, f"{self._quiet_windows} windows in a row sounded normal")
            # What raised this alarm shall not raise the next one.
            self._history.clear()
            return [self._event(Transition.CLEARED, scored.ended_at, self._anomaly)]
        if self._news and self._since_told_s >= self._policy.update_interval_s:
            self._news = False
            self._since_told_s = 0.0
            over = sum(score is not None for score in self._history)
            reason = f"{over} of the latest {len(self._history)} windows over the threshold"
            self._anomaly = replace(state, reason=reason)
            return [self._event(Transition.UPDATED, scored.ended_at, self._anomaly)]
        return []

    def _new_state(self, kind: AlarmKind, at: float, reason: str) -> AlarmState:
        return AlarmState(
            alarm_id=f"{self._channel}.{kind}",
            occurrence=self._new_id(),
            kind=kind,
            channel=self._channel,
            machine=self._machine,
            active=True,
            raised_at=at,
            updated_at=at,
            cleared_at=None,
            score=None,
            peak_score=None,
            threshold=None,
            windows=0,
            reason=reason,
        )

    def _event(self, transition: Transition, at: float, state: AlarmState) -> AlarmEvent:
        return AlarmEvent(self._new_id(), transition, at, state)


def _cleared(state: AlarmState, at: float, reason: str) -> AlarmState:
    return replace(state, active=False, updated_at=at, cleared_at=at, reason=reason)
