"""What goes over which topic: direction, quality of service, retention, payload."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

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
    the broker.
    """

    name: str
    topic: str
    direction: Direction
    qos: Literal[0, 1]
    retain: bool
    purpose: str
    model: type[BaseModel] | None = None
    content_type: str = "application/json"


LEVELS = {
    "site": "The plant or building: site.name of the configuration.",
    "node": "The box within the site: site.node of the configuration.",
    "channel": "Id of a channel of the configuration.",
    "alarm_id": "The channel and the kind of the alarm, as in `fan-1.anomaly`; only the kind for one of the whole box.",
}
"""The levels of a topic that vary."""

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
)
"""Everything that is said below the root, in the order of the documents."""
