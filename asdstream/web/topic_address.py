"""Which node and which thing a topic is about; names in it are checked, since anybody may have made the topic."""

import re
from dataclasses import dataclass
from typing import Literal

from asdstream.mqtt.topics import ALARM_LEVEL, LEVEL, ROOT, TRANSACTION_LEVEL

Leaf = Literal["status", "info", "score", "health", "alarm", "event", "reply"]

_TOPIC = re.compile(
    rf"{ROOT}/(?P<node>{LEVEL}/{LEVEL})/(?:"
    r"(?P<own>status|info)"
    rf"|channel/(?P<channel>{LEVEL})/(?P<leaf>score|health)"
    rf"|alarm/(?P<alarm>{ALARM_LEVEL})/state"
    r"|(?P<event>event)/alarm"
    rf"|reply/(?P<transaction>{TRANSACTION_LEVEL})"
    r")"
)

LARGEST_BYTES = {
    "status": 4_096,
    "info": 262_144,
    "channel/+/score": 65_536,
    "channel/+/health": 16_384,
    "alarm/+/state": 16_384,
    "event/alarm": 16_384,
    "reply/+": 2_097_152,
}
"""What is subscribed to below each node, and how large a message may be: anything larger was not sent by a daemon.

Not everything below a node, since the sound that channels get over MQTT would come along.
"""


@dataclass(frozen=True, slots=True)
class Address:
    """`node` is "site/node"; `name` the channel, alarm or transaction, empty for what belongs to the whole node."""

    node: str
    leaf: Leaf
    name: str = ""


def read_topic(topic: str) -> Address | None:
    """What `topic` is about; None where no daemon would publish on it.

    Example:
        >>> read_topic("asd/v1/plant/line-1/channel/pump/score")
        Address(node='plant/line-1', leaf='score', name='pump')
    """
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    node = found["node"]
    if found["own"]:
        return Address(node, "status" if found["own"] == "status" else "info")
    if found["channel"]:
        return Address(node, "score" if found["leaf"] == "score" else "health", found["channel"])
    if found["alarm"]:
        return Address(node, "alarm", found["alarm"])
    if found["event"]:
        return Address(node, "event")
    return Address(node, "reply", found["transaction"])


def is_node(text: str) -> bool:
    """Whether `text` is a node's key, "site/node"."""
    return re.fullmatch(rf"{LEVEL}/{LEVEL}", text) is not None


def is_channel(text: str) -> bool:
    """Whether `text` can be the id of a channel."""
    return re.fullmatch(LEVEL, text) is not None
