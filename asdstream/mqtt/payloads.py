"""What the messages say: JSON, UTC times in ISO 8601 with milliseconds, ULIDs, and the name of their schema.

Consumers may rely on every field that stands here; a field may be added under the same schema name, none changed.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.config import JsonDict

from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState, Transition
from asdstream.evidence.evidence import Evidence
from asdstream.scoring.commissioning_report import CommissioningProgress, CommissioningReport
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

SCHEMA = "Name and version of this schema."
UNIT = "x-unit"
SECONDS: JsonDict = {UNIT: "s"}
MILLISECONDS: JsonDict = {UNIT: "ms"}
DECIBELS: JsonDict = {UNIT: "dB of full scale"}


class Payload(BaseModel):
    """A message; unknown fields of later versions are ignored when one is read."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, serialize_by_alias=True, json_schema_serialization_defaults_required=True
    )

    def encode(self) -> bytes:
        """As it goes to the broker."""
        return self.model_dump_json().encode()


class StatusPayload(Payload):
    """Whether the daemon is there; retained, and the last will. Ignore one with an older `birth_seq`."""

    schema_name: Literal["asd.status/1"] = Field(default="asd.status/1", alias="schema", description=SCHEMA)
    state: Literal["online", "offline"] = Field(
        description="`offline` is said before leaving on purpose, and by the broker when the daemon has vanished."
    )
    boot_id: str = Field(description="ULID, new with every start of the daemon.")
    birth_seq: int = Field(
        description="Counts connections, across restarts; birth, farewell and last will of one carry the same."
    )
    ts: Moment = Field(description="When the message was made; for a last will, when the connection was begun.")
    version: str = Field(description="Version of asdstream.")


class BundleInfo(Payload):
    """Which bundle scores."""

    name: str = Field(description="As it stands in its bundle.json.")
    sha256: str = Field(description="Of the bundle, in hexadecimal digits.")


class ChannelInfo(Payload):
    """A channel as it is configured."""

    id: str = Field(description="Level of the channel's topics.")
    machine: str = Field(description="What it listens to.")
    machine_type: str = Field(description="Whose prototypes and calibration are used.")
    source: str = Field(description="Where the sound comes from: `microphone`, `mqtt`, `file` or `simulator`.")
    hop_s: float = Field(description="From one window to the next, as configured.", json_schema_extra=SECONDS)


class InfoPayload(Payload):
    """What this daemon is; retained."""

    schema_name: Literal["asd.info/1"] = Field(default="asd.info/1", alias="schema", description=SCHEMA)
    ts: Moment = Field(description="When the connection stood.")
    boot_id: str = Field(description="As in the status.")
    version: str = Field(description="Version of asdstream.")
    bundle: BundleInfo = Field(description="The bundle that scores.")
    channels: tuple[ChannelInfo, ...] = Field(description="Every channel that is configured.")


class NearestPayload(Payload):
    """A prototype close to the window."""

    branch: str = Field(description="The embedding in which it lies, such as `audiomae`.")
    label: str = Field(
        description="`source/<n>`, `target/<n>`, or `reference/<ulid>` for one that was enrolled on site."
    )
    distance: Number = Field(description="Cosine distance to the window, 0 to 2.")


class LatencyPayload(Payload):
    """Seconds: the wait for a batch, the computing of that batch, and all from the last sample to this message.

    The remainder of `total_s` passed in scoring, and in waiting to be scored. The parts are null where a window did
    not wait in a queue.
    """

    queue_s: Number = Field(description="The wait for a batch.", json_schema_extra=SECONDS)
    compute_s: Number = Field(description="The computing of that batch.", json_schema_extra=SECONDS)
    total_s: Number = Field(
        description="From the last sample of the window to this message.", json_schema_extra=SECONDS
    )

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

    schema_name: Literal["asd.score/1"] = Field(default="asd.score/1", alias="schema", description=SCHEMA)
    ts: Moment = Field(description="The end of the window.")
    channel: str = Field(description="Id of the channel.")
    machine: str = Field(description="What the channel listens to.")
    index: int = Field(
        description="Counts the windows of the channel since the daemon started; one that is missing was left out."
    )
    started_at: Moment = Field(description="First sample of the window.")
    ended_at: Moment = Field(description="Last sample of the window.")
    score: Number = Field(
        description="Anomaly score: cosine distance to the nearest prototype, averaged over branches, 0 to 2."
    )
    calibrated: Number = Field(
        description="The score on a scale of its own: 0 is the median of normal sound, 1 the threshold."
    )
    threshold: Number = Field(description="A higher score is anomalous; null where no threshold is known.")
    anomalous: bool = Field(
        description="Whether the score lies over the threshold; an alarm takes several such windows."
    )
    nearest: tuple[NearestPayload, ...] = Field(description="The closest prototypes of every branch.")
    latency_ms: Number = Field(
        description="From the last sample of the window to this message.", json_schema_extra=MILLISECONDS
    )
    latency: LatencyPayload = Field(description="Where that time has gone.")

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


class ExcludedPayload(BaseModel):
    """Windows in a row that did not fit when the machine was commissioned."""

    from_: Moment = Field(alias="from", description="Beginning of the first.")
    to: Moment = Field(description="End of the last.")
    windows: int = Field(description="How many.")

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class CommissioningReportPayload(BaseModel):
    """What a machine that was commissioned was found to sound like."""

    model_config = ConfigDict(frozen=True)

    ts: Moment = Field(description="When it was done.")
    heard_s: float = Field(description="Sound that counted.", json_schema_extra=SECONDS)
    prolonged_s: float = Field(
        description="By so much longer than asked, as less gave no threshold.", json_schema_extra=SECONDS
    )
    windows: int = Field(description="Windows of it.")
    unusable: int = Field(description="Windows besides that were silent or clipped.")
    excluded_windows: int = Field(description="Windows that did not fit and were left out.")
    excluded: tuple[ExcludedPayload, ...] = Field(description="When: the longest, in order of time.")
    references: int = Field(description="Windows that are references.")
    held_out_s: float = Field(description="Sound that the threshold is worked out from.", json_schema_extra=SECONDS)
    threshold: Number = Field(description="Null where there is none.")
    false_alarms_per_day: float = Field(description="What it was worked out for.")
    decided_by: str | None = Field(description="Whose calibration sets it; null where there is none.")
    enough: bool = Field(description="Whether there was as much normal sound as that asks for.")
    shortage: str | None = Field(description="One sentence on what was too little; null where it was enough.")

    @classmethod
    def of(cls, report: CommissioningReport) -> "CommissioningReportPayload":
        """The part of the message for `report`."""
        return cls(
            ts=moment(report.finished_at),
            heard_s=report.heard_s,
            prolonged_s=report.prolonged_s,
            windows=report.windows,
            unusable=report.unusable,
            excluded_windows=report.excluded_windows,
            excluded=tuple(
                ExcludedPayload.model_validate(
                    {"from": moment(one.started_at), "to": moment(one.ended_at), "windows": one.windows}
                )
                for one in report.excluded
            ),
            references=report.references,
            held_out_s=report.held_out_s,
            threshold=report.threshold,
            false_alarms_per_day=report.false_alarms_per_day,
            decided_by=report.decided_by,
            enough=report.enough,
            shortage=report.uncalibrated or report.shortage,
        )


class CommissioningPayload(BaseModel):
    """How far a new machine has been listened to; while it is `learning` no anomaly alarm is raised for it."""

    model_config = ConfigDict(frozen=True)

    state: Literal["learning", "done"] = Field(description="`done`: its references and threshold stand.")
    done: float = Field(description="Share of the listening that is done, 0 to 1.")
    listen_s: float = Field(description="How long it is listened to.", json_schema_extra=SECONDS)
    problem: str | None = Field(
        default=None, description="One sentence on why that is longer than asked; null where it is not."
    )
    report: CommissioningReportPayload | None = Field(description="Of the latest commissioning; null before the first.")

    @classmethod
    def of(cls, progress: CommissioningProgress | None) -> "CommissioningPayload | None":
        """The part of the message for `progress`; None for a machine that was never asked to learn."""
        if progress is None:
            return None
        return cls(
            state="learning" if progress.learning else "done",
            done=round(progress.done, 3),
            listen_s=round(progress.listen_s, 3),
            problem=progress.problem,
            report=None if progress.report is None else CommissioningReportPayload.of(progress.report),
        )


class HealthPayload(Payload):
    """How a channel's sound is; retained. Counts are since the daemon started.

    `dropped` counts windows that were lost: `windows_dropped`, which found no room under overload, and those that could
    not be embedded. Before any is dropped, windows are left out to widen the hop: `hop_s` is the hop at present,
    `hop_widened` the times it was doubled, `windows_shed` the windows left out.
    """

    schema_name: Literal["asd.health/1"] = Field(default="asd.health/1", alias="schema", description=SCHEMA)
    ts: Moment = Field(description="When the message was made.")
    channel: str = Field(description="Id of the channel.")
    machine: str = Field(description="What the channel listens to.")
    state: Literal["waiting", "live", "ended"] = Field(
        description="`waiting`: no sound comes at present; `ended`: the recordings are at their end."
    )
    alarm: Literal["none", "active", "unknown"] = Field(
        description="Whether the anomaly alarm stands and is not kept quiet; `unknown` while nobody can tell."
    )
    problem: str | None = Field(description="One sentence on what is wrong at present, null when nothing is.")
    last_frame_age_s: Number = Field(
        description="Since the latest sound; null before the first.", json_schema_extra=SECONDS
    )
    level_dbfs: Number = Field(description="Level of the last second, root mean square.", json_schema_extra=DECIBELS)
    silent: bool = Field(description="Whether the last second was as quiet as only a dead input is.")
    clipping: Number = Field(description="Share of clipped samples in the last second, 0 to 1.")
    gaps: int = Field(description="Interruptions of the sound.")
    dropped: int = Field(description="Windows that were lost.")
    rejected: int = Field(description="Messages or blocks that were not sound as it should be.")
    nan_samples: int = Field(description="Samples that were no numbers.")
    windows_scored: int = Field(description="Windows that got a score.")
    hop_s: float = Field(description="From one scored window to the next, at present.", json_schema_extra=SECONDS)
    hop_widened: int = Field(description="Times that the hop was doubled.")
    windows_shed: int = Field(description="Windows left out to widen the hop.")
    windows_dropped: int = Field(description="Windows that found no room under overload; part of `dropped`.")
    commissioning: CommissioningPayload | None = Field(
        default=None, description="How the machine learns what it sounds like; null where it was never asked to."
    )


class NearestNormalPayload(BaseModel):
    """The normal sound that came closest."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="As in the score.")
    kind: Literal["prototype", "reference"] = Field(
        description="`prototype`: of the bundle, without a sound of its own; `reference`: enrolled on site."
    )
    distance: Number = Field(description="Cosine distance to the window, 0 to 2.")


class BandPayload(BaseModel):
    """A range of frequencies that is louder or quieter than in normal sound."""

    model_config = ConfigDict(frozen=True)

    low_hz: float = Field(description="Where it begins.")
    high_hz: float = Field(description="Where it ends.")
    change_db: float = Field(description="How much louder it is at most in there; negative: quieter.")


class EvidencePayload(BaseModel):
    """What sets the sound that raised an alarm apart from normal sound; it does not change while the alarm stands."""

    model_config = ConfigDict(frozen=True)

    nearest: NearestNormalPayload = Field(description="What the score was measured from.")
    compared_with: str | None = Field(
        description="The normal sound that the bands were measured against: `reference/<ulid>`, or `heard/<time>` for "
        "what the channel heard itself when it was scored normal; null where there was none at hand."
    )
    bands: tuple[BandPayload, ...] = Field(description="The most changed first; empty where nothing stands out.")
    repetition_hz: Number = Field(
        description="How often a second the sound of the first band swells; null where it has no rhythm."
    )
    sentence: str = Field(description="All of it in one sentence for people.")

    @classmethod
    def of(cls, evidence: Evidence | None) -> "EvidencePayload | None":
        """The part of the message for `evidence`."""
        if evidence is None:
            return None
        near = evidence.nearest
        return cls(
            nearest=NearestNormalPayload(label=near.label, kind=near.kind, distance=near.distance),
            compared_with=evidence.compared_with,
            bands=tuple(
                BandPayload(low_hz=round(one.low_hz, 1), high_hz=round(one.high_hz, 1), change_db=one.change_db)
                for one in evidence.bands
            ),
            repetition_hz=evidence.repetition_hz,
            sentence=evidence.sentence,
        )


class AlarmPayload(Payload):
    """An alarm as it stands; retained on its own topic, and part of every event.

    The retained message is there as long as anything about the alarm is of interest: it is `active`, shelved, out of
    service, not acknowledged although it should be, or nobody can tell whether its `condition` holds. An alarm that was
    never raised before that has an empty `occurrence` and null for `raised_at`. One of the whole node has an empty
    `channel` and `machine`.
    """

    schema_name: Literal["asd.alarm/1"] = Field(default="asd.alarm/1", alias="schema", description=SCHEMA)
    alarm_id: str = Field(
        description="`<channel>.<kind>`, or only the kind for an alarm of the whole node; never changes."
    )
    occurrence: str = Field(description="ULID, new with every raise; empty before the first.")
    kind: str = Field(description=f"What it is about: {', '.join(AlarmKind)}; all but the first are technical.")
    channel: str = Field(description="Id of the channel; empty for an alarm of the whole node.")
    machine: str = Field(description="What the channel listens to; empty for an alarm of the whole node.")
    active: bool = Field(description="Whether it stands.")
    raised_at: Moment | None = Field(description="When this occurrence began.")
    updated_at: Moment = Field(description="When anything about it last changed.")
    cleared_at: Moment | None = Field(description="When this occurrence ended; null while it stands.")
    score: Number = Field(description="Anomaly score of the latest window; null for a technical alarm.")
    peak_score: Number = Field(description="Highest anomaly score of this occurrence; null for a technical alarm.")
    threshold: Number = Field(description="The threshold of the latest window; null for a technical alarm.")
    windows: int = Field(description="Windows over the threshold in this occurrence.")
    reason: str = Field(description="One sentence for people.")
    condition: Literal["normal", "abnormal", "unknown"] = Field(
        description="Whether what it is about holds; `unknown` without sound or scores."
    )
    severity: int = Field(description="The worst of this occurrence, 1 to 1000; 0 before the first raise.")
    priority: Literal["low", "medium", "high"] = Field(
        description="The band of the severity: `low` below 334, `medium` below 667, `high` from there."
    )
    latched: bool = Field(description="Whether it stands until it is reset, though its condition may be over.")
    suppressed: bool = Field(
        description="Whether this occurrence began while it was kept quiet and has not been announced since."
    )
    acknowledge_needed: bool = Field(description="Whether it stays on display, once cleared, until it is acknowledged.")
    acknowledged: bool = Field(description="Whether somebody has seen this occurrence.")
    acknowledged_at: Moment | None = Field(description="When.")
    acknowledged_by: str | None = Field(description="By whom.")
    shelved: bool = Field(description="Whether it is kept quiet for a time.")
    shelved_until: Moment | None = Field(description="When it is heard again.")
    shelved_once: bool = Field(description="Whether that ends as soon as this occurrence is over.")
    shelved_by: str | None = Field(description="By whom.")
    out_of_service: bool = Field(description="Whether it is kept quiet until it is put back into service.")
    out_of_service_at: Moment | None = Field(description="Since when.")
    out_of_service_by: str | None = Field(description="By whom.")
    clip: str | None = Field(
        default=None,
        description="Names the recording of the sound around the raise, to be asked for with `cmd/clip`; null: none.",
    )
    evidence: EvidencePayload | None = Field(
        default=None, description="What sets that sound apart from normal sound; null where nothing is known."
    )

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
            clip=state.clip,
            evidence=EvidencePayload.of(state.evidence),
        )


class EventPayload(Payload):
    """One transition of an alarm; the same `event_id` may come twice, and means the same transition.

    `actor` is who caused it, null where nobody did; `note` says why, where the alarm's `reason` is about something
    else.
    """

    schema_name: Literal["asd.event/1"] = Field(default="asd.event/1", alias="schema", description=SCHEMA)
    event_id: str = Field(description="ULID; a message with one that was seen before is the same event.")
    transition: str = Field(description=f"What happened: {', '.join(item for item in Transition if item.has_event)}.")
    ts: Moment = Field(description="When it happened, however late the message comes.")
    boot_id: str = Field(description="Of the daemon that saw it happen.")
    actor: str | None = Field(description="Who caused it; null where nobody did.")
    note: str | None = Field(description="Why, where that is not what the alarm itself is about; else null.")
    alarm: AlarmPayload = Field(description="The alarm as it stood after that.")

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
