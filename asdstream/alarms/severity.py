"""How bad it is: 1 to 1000 as in OPC UA Part 9, and the three priorities that people work with."""

from enum import StrEnum

LEAST = 200
"""Of an anomaly that lies a hair over the threshold and has only begun."""
MOST = 1000
HALF_WAY_S = 3600.0
"""So long over the threshold counts half of what any time can count."""
MEDIUM_FROM = 334
HIGH_FROM = 667


class Priority(StrEnum):
    """Three equal bands of severity: low below 334, medium below 667, high from there."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def priority_of(severity: int) -> Priority:
    """The band in which `severity` lies."""
    if severity >= HIGH_FROM:
        return Priority.HIGH
    return Priority.MEDIUM if severity >= MEDIUM_FROM else Priority.LOW


def anomaly_severity(level: float, over_s: float) -> int:
    """From how far and how long over the threshold, 200 to 1000; grows with both.

    `level` is a calibrated score, 0 at the median of normal sound and 1 at the threshold; `over_s` the seconds spent
    over the threshold. With x = level - 1 and t = over_s,

        far = x / (1 + x),   long = t / (t + 3600) / 2,   severity = 200 + 800 (1 - (1 - far) (1 - long)),

    so that distance alone can make an alarm as severe as can be, and time alone can only take it half of the way: a
    slight deviation that has lasted for weeks should be looked into, but nobody need run.
    """
    excess, seconds = max(0.0, level - 1.0), max(0.0, over_s)
    near = 1.0 / (1.0 + excess)
    short = 1.0 - 0.5 * seconds / (seconds + HALF_WAY_S)
    return round(LEAST + (MOST - LEAST) * (1.0 - near * short))
