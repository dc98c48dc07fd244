"""What is found when an alarm's condition is looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The `reason` in one sentence, how bad it is, and of an anomaly the scores; as in `AlarmState`."""

    reason: str
    severity: int
    score: float | None = None
    peak_score: float | None = None
    threshold: float | None = None
    windows: int = 0
