"""What goes over which topic: direction, quality of service, retention, payload."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field, create_model

from asdstream.mqtt.commands import VERBS, Args, CommandPayload, ReplyPayload
from asdstream.mqtt.payloads import (
    AlarmPayload,
    EventPayload,
    HealthPayload,
    InfoPayload,
    ScorePayload,
    StatusPayload,
)

Direction = Literal["out", "in"]


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message: `name` in kebab case, `topic` below the root with `{levels}` that vary.

    `model` describes a JSON payload and is None for any other, which `content_type` names. Out is from the daemon to
    the broker. `answered_by` names the message that answers this one.
    """

    name: str
    topic: str
    direction: Direction
    qos: Literal[0, 1]
    retain: bool
    purpose: str
    model: type[BaseModel] | None = None
    content_type: str = "application/json"
    answered_by: str | None = None


LEVELS = {
    "site": "The plant or building: site.name of the configuration.",
    "node": "The box within the site: site.node of the configuration.",
    "channel": "Id of a channel of the configuration.",
    "alarm_id": "The channel and the kind of the alarm, as in `fan-1.anomaly`; only the kind for one of the whole box.",
    "transaction": "What the command is named; chosen anew for every command by whoever asks.",
}
"""The levels of a topic that vary."""

_COMMANDS = {
    "ack": "Acknowledge an alarm: somebody has seen it.",
    "shelve": "Keep an alarm quiet for a time.",
    "unshelve": "Have a shelved alarm heard again.",
    "reset": "Let go of a latched alarm whose condition is over.",
    "out_of_service": "Keep an alarm quiet until it is put back into service.",
    "in_service": "Put an alarm back into service.",
    "alarms": "Ask for the alarms as they stand.",
    "clip": "Ask for the sound around an alarm, or for the normal sound beside it, as FLAC of at most 1 MiB in Base64. "
    "Where the bundle has AudioMAE's decoder, `error_map` in the answer tells where the alarm's sound is louder than "
    "the network expects: `excess_db` in dB by band and time, bands between `edges_hz`, times every `step_s` seconds "
    "from `begins_s` on.",
    "enroll": "Take the sound of the next seconds as normal for a machine.",
    "reload": "Read the configuration and the bundle anew, and go on with them where nothing is wrong.",
}


def _command(verb: str, takes: type[Args]) -> Message:
    """The command `verb`, whose arguments stand in its payload."""
    # Where all arguments have defaults, so has the whole.
    optional = not any(field.is_required() for field in takes.model_fields.values())
    told = "What the verb needs to know."
    args = Field(default_factory=takes, description=told) if optional else Field(description=told)
    purpose = _COMMANDS.get(verb, "")
    model = create_model(
        f"{verb.title().replace('_', '')}Command", __base__=CommandPayload, __doc__=purpose, args=(takes, args)
    )
    name = f"cmd-{verb.replace('_', '-')}"
    return Message(name, f"cmd/{verb}", "in", 1, False, purpose, model, answered_by="reply")


MESSAGES: tuple[Message, ...] = (
    Message(
        "status",
        "status",
        "out",
        1,
        True,
        "Whether the daemon is there: said with every connection and before leaving, and by the broker as last will.",
        StatusPayload,
    ),
    Message("info", "info", "out", 1, True, "What the daemon is, after every connection.", InfoPayload),
    Message(
        "channel-audio",
        "channel/{channel}/audio",
        "in",
        0,
        False,
        "Sound for a channel whose source is `mqtt`: a WAV file, or the bare samples that its configuration describes.",
        content_type="audio/wav",
    ),
    Message(
        "channel-score", "channel/{channel}/score", "out", 0, False, "The anomaly score of every window.", ScorePayload
    ),
    Message(
        "channel-health",
        "channel/{channel}/health",
        "out",
        1,
        True,
        "How the sound of a channel is: every 10 s, and when something changes.",
        HealthPayload,
    ),
    Message(
        "alarm-state",
        "alarm/{alarm_id}/state",
        "out",
        1,
        True,
        "The alarm as it stands. An empty message takes it off the broker once nothing about it is of interest.",
        AlarmPayload,
    ),
    Message(
        "alarm-event",
        "event/alarm",
        "out",
        1,
        False,
        "One per transition of an alarm, kept through any outage until the broker has it; it may come twice.",
        EventPayload,
    ),
    *(_command(verb, takes) for verb, takes in VERBS.items()),
    Message(
        "reply",
        "reply/{transaction}",
        "out",
        1,
        False,
        "The answer to a command: every one that names a transaction gets one.",
        ReplyPayload,
    ),
)
"""Everything that is said below the root, in the order of the documents."""
