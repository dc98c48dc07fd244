"""What a subscriber of the demo's topics has seen so far; fed with messages, free of I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STRIP_WINDOWS = 48
"""How many of the latest windows the strip of a machine shows."""


@dataclass(slots=True)
class MachineRow:
    """One machine: the calibrated scores of its latest windows (1 is the threshold) and its alarm."""

    channel: str
    calibrated: tuple[float, ...] = ()
    score: float | None = None
    threshold: float | None = None
    windows: int = 0
    alarm_active: bool = False
    alarms_raised: int = 0


class Scoreboard:
    """Collects score and event messages of the given channels; `events` holds a line for each event.

    Fed by one thread, read by any: lines are only added, and the latest scores are replaced as a whole.

    Example:
        board = Scoreboard(["fan-1"])
        board.see_score({"channel": "fan-1", "score": 0.01, "calibrated": 0.4, "threshold": 0.02})
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self.rows = {channel: MachineRow(channel) for channel in channels}
        self.events: list[str] = []
        self._seen_events: set[str] = set()

    def see_score(self, payload: Mapping[str, Any]) -> None:
        """Take in one `asd.score/1` payload; channels that are not on the board are passed over."""
        row = self.rows.get(payload["channel"])
        if row is None:
            return
        row.windows += 1
        row.score = payload["score"]
        row.threshold = payload["threshold"]
        row.calibrated = (*row.calibrated, payload["calibrated"])[-STRIP_WINDOWS:]

    def see_event(self, payload: Mapping[str, Any]) -> None:
        """Take in one `asd.event/1` payload, unless it was seen before."""
        if payload["event_id"] in self._seen_events:
            return
        self._seen_events.add(payload["event_id"])
        alarm = payload["alarm"]
        row = self.rows.get(alarm["channel"])
        if row is not None and alarm["kind"] == "anomaly":
            row.alarm_active = alarm["active"]
            row.alarms_raised += payload["transition"] == "raised"
        about = alarm["channel"] or "the box"
        self.events.append(f"{payload['ts']}  {about}: alarm {payload['transition']}: {alarm['reason']}")

    def verdict(self, faulty: Iterable[str]) -> str | None:
        """None when every machine with a fault raised an alarm and no healthy one did; else what went wrong."""
        faulty = set(faulty)
        missed = [row.channel for row in self.rows.values() if row.channel in faulty and not row.alarms_raised]
        false = [row.channel for row in self.rows.values() if row.channel not in faulty and row.alarms_raised]
        complaints = []
        if missed:
            complaints.append(f"no alarm for {', '.join(missed)}, whose fault had begun")
        if false:
            complaints.append(f"an alarm for {', '.join(false)}, which is healthy")
        return "; ".join(complaints) or None
