"""What the alarm state machine says."""

from dataclasses import dataclass
from enum import StrEnum

from asdstream.alarms.severity import Priority, priority_of
from asdstream.alarms.shelving import Shelving
from asdstream.evidence.evidence import Evidence


class Transition(StrEnum):
    """What happened to an alarm."""

    RAISED = "raised"
    """It stands and is announced: at once, or when it is no longer kept quiet."""
    UPDATED = "updated"
    """It stands, and there is something new: it worsened, its cause is another, or its condition came back."""
    CLEARED = "cleared"
    SUPPRESSED = "suppressed"
    """It stands, but nobody is told, because it is shelved or out of service."""
    RETURNED = "returned"
    """Its condition is over; being latched it stands on until it is reset."""
    REALARMED = "realarmed"
    """Acknowledged, but for too long, worse than it was, or latched and here again: to be acknowledged anew."""
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    """No longer latched; cleared in the next event."""
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    """By an actor, or because its time is up or, shelved once, it has cleared."""
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    RETIRED = "retired"
    """Nobody listens any more: whatever else kept it of interest is dropped."""
    UNKNOWN = "unknown"
    """Nobody can tell whether its condition holds."""
    KNOWN = "known"

    @property
    def has_event(self) -> bool:
        """Whether consumers get an event of it.

        What is known about an alarm is told where the alarm stands; the event behind it is that of the technical alarm
        which says why.
        """
        return self not in (Transition.UNKNOWN, Transition.KNOWN)


class AlarmKind(StrEnum):
    """What the alarm is about; all but the first are technical."""

    ANOMALY = "anomaly"
    """The machine sounds wrong."""
    SOURCE = "source"
    """No sound comes in: the device is away, or nothing is sent."""
    STALLED = "stalled"
    """Sound comes in, but in such pieces that no window becomes complete."""
    UNSCORED = "unscored"
    """Windows become complete, but none is scored."""
    SILENT = "silent"
    """As quiet as only a dead input is."""
    CLIPPED = "clipped"
    """Louder than the input can take."""
    OVERLOAD = "overload"
    """Of the node: the engine cannot keep up, so that windows are left out or dropped."""
    DISK = "disk"
    """Of the node: the disk of the store is nearly full."""


class Condition(StrEnum):
    """Whether what the alarm is about holds."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNKNOWN = "unknown"
    """No sound, no scores: no evidence either way."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who did something to an alarm, and when: UTC seconds."""

    actor: str
    at: float


@dataclass(frozen=True, slots=True)
class AlarmState:
    """An alarm as it stands, on the axes of ISA-18.2 and OPC UA Part 9.

    There is one alarm per channel and kind, so `alarm_id` is stable; `occurrence` (a ULID) is new with each raise.
    `channel` and `machine` are empty for an alarm of the node. Times are UTC seconds since the epoch. An alarm that was
    shelved, taken out of service or in doubt before it was ever raised has no `occurrence` and no `raised_at` yet.

    `active` says that it stands: its `condition` holds, or did until it could no longer be told, or has gone and the
    alarm is `latched`. `suppressed` says that this occurrence began while the alarm was kept quiet and has not been
    announced since. `acknowledge_needed`: once cleared it stays of interest until somebody has acknowledged it.

    `severity` (1 to 1000, 0 before the first raise) is the worst of this occurrence, `peak_score` the largest score of
    it, `score` and `threshold` those of the latest window (None for technical alarms); `windows` counts the windows
    over the threshold. `clip` names the recording of the sound around the raise, `evidence` is what sets it apart from
    normal sound; None where there is none.
    """

    alarm_id: str
    occurrence: str
    kind: AlarmKind
    channel: str
    machine: str
    active: bool
    raised_at: float | None
    updated_at: float
    cleared_at: float | None
    score: float | None
    peak_score: float | None
    threshold: float | None
    windows: int
    reason: str
    condition: Condition = Condition.NORMAL
    severity: int = 0
    suppressed: bool = False
    latched: bool = False
    acknowledge_needed: bool = False
    acknowledged: Act | None = None
    shelving: Shelving | None = None
    out_of_service: Act | None = None
    clip: str | None = None
    evidence: Evidence | None = None

    @property
    def priority(self) -> Priority:
        """The band of `severity`."""
        return priority_of(self.severity)

    @property
    def quiet(self) -> bool:
        """Whether it is kept from being announced."""
        return self.shelving is not None or self.out_of_service is not None

    @property
    def unacknowledged(self) -> bool:
        """Whether it was announced, and nobody has acknowledged that."""
        return bool(self.occurrence) and not self.suppressed and self.acknowledged is None

    @property
    def of_interest(self) -> bool:
        """Whether a display should show it (OPC UA: Retain); otherwise all is as it should be."""
        return (
            self.active
            or self.quiet
            or self.condition is Condition.UNKNOWN
            or (self.acknowledge_needed and self.unacknowledged)
        )


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One transition, and the state that it led to.

    `event_id` (a ULID) lets consumers drop duplicates; `at` is UTC seconds since the epoch; `actor` is who caused it,
    None where nobody did; `note` says why, where that is not what the alarm itself is about.
    """

    event_id: str
    transition: Transition
    at: float
    state: AlarmState
    actor: str | None = None
    note: str | None = None
