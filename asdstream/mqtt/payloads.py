"""What the messages say: JSON, UTC times in ISO 8601 with milliseconds, ULIDs, and the name of their schema.

Consumers may rely on every field that stands here; a field may be added under the same schema name, none changed.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from asdstream.alarms.event import AlarmEvent, AlarmState
from asdstream.scoring.scored_window import ScoredWindow


def utc_text(seconds: float) -> str:
    """UTC seconds since the epoch as ISO 8601 with milliseconds.

    Example:
        >>> utc_text(0.25)
        '1970-01-01T00:00:00.250Z'
    """
    return _text(moment(seconds))


def moment(seconds: float) -> datetime:
    """UTC seconds since the epoch as a time that knows its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def _text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a zone is ambiguous")
    return value


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Moment = Annotated[
    datetime,
    AfterValidator(_with_zone),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
"""JSON knows no infinity and no NaN: both become null."""


class Payload(BaseModel):
    """A message; unknown fields of later versions are ignored when one is read."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    def encode(self) -> bytes:
        """As it goes to the broker."""
        return self.model_dump_json().encode()


class StatusPayload(Payload):
    """Whether the daemon is there; retained, and the last will. Ignore one with an older `birth_seq`."""

    schema_name: Literal["asd.status/1"] = Field(default="asd.status/1", alias="schema")
    state: Literal["online", "offline"]
    boot_id: str
    birth_seq: int
    ts: Moment
    version: str


class BundleInfo(Payload):
    """Which bundle scores."""

    name: str
    sha256: str


class ChannelInfo(Payload):
    """A channel as it is configured."""

    id: str
    machine: str
    machine_type: str
    source: str
    hop_s: float


class InfoPayload(Payload):
    """What this daemon is; retained."""

    schema_name: Literal["asd.info/1"] = Field(default="asd.info/1", alias="schema")
    ts: Moment
    boot_id: str
    version: str
    bundle: BundleInfo
    channels: tuple[ChannelInfo, ...]


class NearestPayload(Payload):
    """A prototype close to the window."""

    branch: str
    label: str
    distance: Number


class LatencyPayload(Payload):
    """Seconds: the wait for a batch, the computing of that batch, and all from the last sample to this message.

    The remainder of `total_s` passed in scoring, and in waiting to be scored. The parts are null where a window did
    not wait in a queue.
    """

    queue_s: Number
    compute_s: Number
    total_s: Number

    @classmethod
    def of(cls, scored: ScoredWindow) -> "LatencyPayload":
        """The times of `scored`."""
        times, published = scored.times, scored.published
        return cls(
            queue_s=None if times is None else round(times.taken - times.queued, 4),
            compute_s=None if times is None else round(times.computed - times.taken, 4),
            total_s=None if published is None else round(published - scored.captured, 4),
        )


class ScorePayload(Payload):
    """The anomaly score of one window; `ts` is the end of the window, `latency_ms` the time since then."""

    schema_name: Literal["asd.score/1"] = Field(default="asd.score/1", alias="schema")
    ts: Moment
    channel: str
    machine: str
    index: int
    started_at: Moment
    ended_at: Moment
    score: Number
    calibrated: Number
    threshold: Number
    anomalous: bool
    nearest: tuple[NearestPayload, ...]
    latency_ms: Number
    latency: LatencyPayload

    @classmethod
    def of(cls, scored: ScoredWindow) -> "ScorePayload":
        """The message for `scored`, which knows when it is published."""
        latency = LatencyPayload.of(scored)
        return cls(
            ts=moment(scored.ended_at),
            channel=scored.channel,
            machine=scored.machine,
            index=scored.index,
            started_at=moment(scored.started_at),
            ended_at=moment(scored.ended_at),
            score=scored.score,
            calibrated=scored.calibrated,
            threshold=scored.threshold,
            anomalous=scored.anomalous,
            nearest=tuple(
                NearestPayload(branch=near.branch, label=near.label, distance=near.distance) for near in scored.nearest
            ),
            latency_ms=None if latency.total_s is None else round(latency.total_s * 1000, 1),
            latency=latency,
        )


class HealthPayload(Payload):
    """How a channel's sound is; retained. Counts are since the daemon started.

    `dropped` counts windows that were lost: `windows_dropped`, which found no room under overload, and those that could
    not be embedded. Before any is dropped, windows are left out to widen the hop: `hop_s` is the hop at present,
    `hop_widened` the times it was doubled, `windows_shed` the windows left out.
    """

    schema_name: Literal["asd.health/1"] = Field(default="asd.health/1", alias="schema")
    ts: Moment
    channel: str
    machine: str
    state: Literal["waiting", "live", "ended"]
    problem: str | None
    last_frame_age_s: Number
    level_dbfs: Number
    silent: bool
    clipping: Number
    gaps: int
    dropped: int
    rejected: int
    nan_samples: int
    windows_scored: int
    hop_s: float
    hop_widened: int
    windows_shed: int
    windows_dropped: int


class AlarmPayload(Payload):
    """An alarm as it stands; retained on its own topic, and part of every event.

    The retained message is there as long as anything about the alarm is of interest: it is `active`, shelved, out of
    service, not acknowledged although it should be, or nobody can tell whether its `condition` holds. An alarm that was
    never raised before that has an empty `occurrence` and null for `raised_at`. One of the whole node has an empty
    `channel` and `machine`.
    """

    schema_name: Literal["asd.alarm/1"] = Field(default="asd.alarm/1", alias="schema")
    alarm_id: str
    occurrence: str
    kind: str
    channel: str
    machine: str
    active: bool
    raised_at: Moment | None
    updated_at: Moment
    cleared_at: Moment | None
    score: Number
    peak_score: Number
    threshold: Number
    windows: int
    reason: str
    condition: Literal["normal", "abnormal", "unknown"]
    severity: int
    priority: Literal["low", "medium", "high"]
    latched: bool
    suppressed: bool
    acknowledge_needed: bool
    acknowledged: bool
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    shelved: bool
    shelved_until: Moment | None
    shelved_once: bool
    shelved_by: str | None
    out_of_service: bool
    out_of_service_at: Moment | None
    out_of_service_by: str | None

    @classmethod
    def of(cls, state: AlarmState) -> "AlarmPayload":
        """The message for `state`."""
        seen, shelving, away = state.acknowledged, state.shelving, state.out_of_service
        return cls(
            alarm_id=state.alarm_id,
            occurrence=state.occurrence,
            kind=state.kind,
            channel=state.channel,
            machine=state.machine,
            active=state.active,
            raised_at=_moment_or_none(state.raised_at),
            updated_at=moment(state.updated_at),
            cleared_at=_moment_or_none(state.cleared_at),
            score=state.score,
            peak_score=state.peak_score,
            threshold=state.threshold,
            windows=state.windows,
            reason=state.reason,
            condition=state.condition.value,
            severity=state.severity,
            priority=state.priority.value,
            latched=state.latched,
            suppressed=state.suppressed,
            acknowledge_needed=state.acknowledge_needed,
            acknowledged=seen is not None,
            acknowledged_at=None if seen is None else moment(seen.at),
            acknowledged_by=None if seen is None else seen.actor,
            shelved=shelving is not None,
            shelved_until=None if shelving is None else moment(shelving.until),
            shelved_once=shelving is not None and shelving.one_shot,
            shelved_by=None if shelving is None else shelving.actor,
            out_of_service=away is not None,
            out_of_service_at=None if away is None else moment(away.at),
            out_of_service_by=None if away is None else away.actor,
        )


class EventPayload(Payload):
    """One transition of an alarm; the same `event_id` may come twice, and means the same transition.

    `actor` is who caused it, null where nobody did; `note` says why, where the alarm's `reason` is about something
    else.
    """

    schema_name: Literal["asd.event/1"] = Field(default="asd.event/1", alias="schema")
    event_id: str
    transition: str
    ts: Moment
    boot_id: str
    actor: str | None
    note: str | None
    alarm: AlarmPayload

    @classmethod
    def of(cls, event: AlarmEvent, boot_id: str) -> "EventPayload":
        """The message for `event`."""
        return cls(
            event_id=event.event_id,
            transition=event.transition,
            ts=moment(event.at),
            boot_id=boot_id,
            actor=event.actor,
            note=event.note,
            alarm=AlarmPayload.of(event.state),
        )


PAYLOADS: Sequence[type[Payload]] = (
    StatusPayload,
    InfoPayload,
    ScorePayload,
    HealthPayload,
    AlarmPayload,
    EventPayload,
)
"""Every message that the daemon publishes."""
