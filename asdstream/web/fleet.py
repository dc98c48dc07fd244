"""The fleet as its messages tell it: fed with topic, payload and time, asked for what is to be shown.

Nothing that comes over MQTT is believed: a message that is not what its topic says, names things oddly or is too much
is left out and counted. No clock and no I/O of its own.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from asdstream.mqtt.commands import CLIP_ID
from asdstream.mqtt.payloads import (
    AlarmPayload,
    EventPayload,
    HealthPayload,
    InfoPayload,
    ScorePayload,
    StatusPayload,
    utc_text,
)
from asdstream.mqtt.topics import ALARM_LEVEL
from asdstream.web.bounded import OutOfBoundsError, bounded
from asdstream.web.fleet_node import Channel, Node
from asdstream.web.score_trace import ScoreTrace
from asdstream.web.topic_address import Address, is_channel, read_topic

MOST_NODES = 256
MOST_CHANNELS = 2048
MOST_CHANNELS_OF_A_NODE = 256
MOST_ALARMS = 4096
SETTLE_S = 3.0
"""After connecting, what the broker has kept comes within moments; what was known before reads unknown till then."""
_MACHINE = re.compile(r"[A-Za-z0-9_-]{0,64}")
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ScoreNews:
    """A window was scored; `at` is UTC seconds of our clock."""

    node: str
    channel: str
    score: float | None
    threshold: float | None
    at: float


@dataclass(frozen=True, slots=True)
class EventNews:
    """An alarm has changed; `event` is the message as JSON has it, with its node."""

    node: str
    event: dict[str, Any]


class Fleet:
    """All nodes that were heard. Used by one thread at a time.

    Example:
        fleet = Fleet()
        fleet.connected(now)
        news = fleet.hear("asd/v1/plant/line-1/event/alarm", payload, now)
        fleet.snapshot(now)["machines"]
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._before: dict[str, Node] = {}
        self._connected_at: float | None = None
        self._traces: dict[tuple[str, str], ScoreTrace] = {}
        self._refused = 0
        self._left_out: set[tuple[str, str]] = set()

    @property
    def refused(self) -> int:
        """Messages that were not what their topic says."""
        return self._refused

    def connected(self, now: float) -> None:
        """The broker is there; everything that it has kept is about to come anew."""
        self._before = {**self._before, **self._nodes}
        self._nodes = {}
        self._left_out.clear()
        self._connected_at = now

    def disconnected(self) -> None:
        """The broker has gone: from now on nobody knows how anything stands."""
        self._connected_at = None

    def knows(self, node: str) -> bool:
        """Whether anything was heard of `node` since the connection stands."""
        return node in self._nodes

    def hear(self, topic: str, payload: bytes, now: float) -> ScoreNews | EventNews | None:
        """Take a message in; what it is news of, if of anything that should be told at once."""
        address = read_topic(topic)
        if address is None or address.leaf == "reply":
            return None
        try:
            return self._hear(address, payload, now)
        except (ValidationError, PydanticSerializationError, ValueError, OverflowError):
            self._refused += 1
            return None

    def snapshot(self, now: float) -> dict[str, Any]:
        """Everything that is shown: `nodes`, `machines`, `alarms`, and how much is `left_out` for being too much."""
        known = self._connected_at is not None
        settling = self._connected_at is None or now - self._connected_at < SETTLE_S
        if not settling:
            self._before = {}
        shown = {key: (node, False) for key, node in self._before.items()}
        shown |= {key: (node, known) for key, node in self._nodes.items()}
        ordered = sorted(shown.items())
        return {
            "now": utc_text(now),
            "nodes": [node.summary(key, known=current) for key, (node, current) in ordered],
            "machines": [
                machine for key, (node, current) in ordered for machine in node.machines(key, now, known=current)
            ],
            "alarms": [
                {**alarm, "node": key} for key, (node, _) in ordered for _, alarm in sorted(node.alarms.items())
            ],
            "left_out": len(self._left_out),
        }

    def scores(self, node: str, channel: str, now: float) -> dict[str, Any]:
        """The last hour of a channel: `points` of milliseconds since the epoch and score; empty where it is unknown."""
        trace = self._traces.get((node, channel))
        entry = self._nodes.get(node)
        latest = None if entry is None or channel not in entry.channels else entry.channels[channel].score
        return {
            "channel": channel,
            "threshold": None if latest is None else latest.threshold,
            "points": [] if trace is None else trace.points(now),
        }

    def alarm_of_clip(self, node: str, clip: str) -> dict[str, Any] | None:
        """The alarm to which `clip` belongs, while it is of interest."""
        entry = self._nodes.get(node)
        for alarm in {} if entry is None else entry.alarms.values():
            if clip in (alarm.get("clip"), alarm["occurrence"]):
                return alarm
        return None

    def _hear(self, address: Address, payload: bytes, now: float) -> ScoreNews | EventNews | None:
        if not payload:
            self._forget(address)
            return None
        match address.leaf:
            case "status":
                self._status(address, StatusPayload.model_validate_json(payload))
            case "info":
                self._info(address, InfoPayload.model_validate_json(payload))
            case "health":
                self._health(address, HealthPayload.model_validate_json(payload), now)
            case "score":
                return self._score(address, ScorePayload.model_validate_json(payload), now)
            case "alarm":
                self._alarm(address, AlarmPayload.model_validate_json(payload))
            case _:
                return self._event(address, EventPayload.model_validate_json(payload))
        return None

    def _forget(self, address: Address) -> None:
        """An empty message is how what the broker keeps is taken away."""
        node = self._nodes.get(address.node)
        if node is None:
            return
        match address.leaf:
            case "alarm":
                node.alarms.pop(address.name, None)
            case "health":
                node.channels.pop(address.name, None)
            case "status":
                del self._nodes[address.node]
            case "info":
                node.info = None
            case _:
                pass

    def _node(self, key: str) -> Node | None:
        node = self._nodes.get(key)
        if node is None and len(self._nodes) < MOST_NODES:
            node = self._nodes[key] = Node()
        if node is None:
            self._leave_out(key, "")
        return node

    def _leave_out(self, node: str, name: str) -> None:
        if len(self._left_out) < MOST_CHANNELS:
            self._left_out.add((node, name))

    def _status(self, address: Address, status: StatusPayload) -> None:
        utc_text(status.ts.timestamp())
        node = self._node(address.node)
        if node is not None and not node.outdates(status):
            node.status = status

    def _info(self, address: Address, info: InfoPayload) -> None:
        for channel in info.channels[:MOST_CHANNELS_OF_A_NODE]:
            if not (is_channel(channel.id) and _is_machine(channel.machine) and _is_machine(channel.machine_type)):
                raise OutOfBoundsError("a channel that no configuration would have")
        for channel in info.channels[MOST_CHANNELS_OF_A_NODE:]:
            self._leave_out(address.node, channel.id[:64])
        node = self._node(address.node)
        if node is None:
            return
        kept = info.channels[:MOST_CHANNELS_OF_A_NODE]
        node.info = info.model_copy(update={"channels": kept})
        configured = {channel.id for channel in kept}
        for name in node.channels.keys() - configured:
            del node.channels[name]

    def _channel(self, address: Address, machine: str, now: float) -> Channel | None:
        if not _is_machine(machine):
            raise OutOfBoundsError("a machine that no configuration would have")
        node = self._node(address.node)
        if node is None:
            return None
        if address.name not in node.channels:
            unknown = node.info is not None and all(channel.id != address.name for channel in node.info.channels)
            full = (
                len(node.channels) >= MOST_CHANNELS_OF_A_NODE
                or sum(len(other.channels) for other in self._nodes.values()) >= MOST_CHANNELS
            )
            if unknown or full:
                if full:
                    self._leave_out(address.node, address.name)
                return None
            node.channels[address.name] = Channel(first_at=now, machine=machine)
        return node.channels[address.name]

    def _health(self, address: Address, health: HealthPayload, now: float) -> None:
        if health.channel != address.name:
            raise OutOfBoundsError("the health of another channel")
        channel = self._channel(address, health.machine, now)
        if channel is not None:
            channel.health, channel.health_at = health, now

    def _score(self, address: Address, score: ScorePayload, now: float) -> ScoreNews | None:
        utc_text(score.ended_at.timestamp())
        if score.channel != address.name:
            raise OutOfBoundsError("the score of another channel")
        channel = self._channel(address, score.machine, now)
        if channel is None:
            return None
        channel.score, channel.score_at = score, now
        if score.score is not None:
            trace = self._trace(address.node, address.name)
            trace.add(score.score, now)
        return ScoreNews(address.node, address.name, score.score, score.threshold, now)

    def _trace(self, node: str, channel: str) -> ScoreTrace:
        """Traces outlive connections, so the ones that were written to longest ago go when there are too many."""
        trace = self._traces.pop((node, channel), None) or ScoreTrace()
        if len(self._traces) >= MOST_CHANNELS:
            del self._traces[next(iter(self._traces))]
        self._traces[node, channel] = trace
        return trace

    def _alarm(self, address: Address, alarm: AlarmPayload) -> None:
        if alarm.alarm_id != address.name:
            raise OutOfBoundsError("the state of another alarm")
        shown = _shown_alarm(alarm.model_dump(mode="json"))
        node = self._node(address.node)
        if node is None:
            return
        if address.name not in node.alarms and sum(len(other.alarms) for other in self._nodes.values()) >= MOST_ALARMS:
            self._leave_out(address.node, address.name)
            return
        node.alarms[address.name] = shown

    def _event(self, address: Address, event: EventPayload) -> EventNews:
        if not _EVENT_ID.fullmatch(event.event_id):
            raise OutOfBoundsError("an event without a number")
        utc_text(event.ts.timestamp())
        content = event.model_dump(mode="json")
        alarm = _shown_alarm(content.pop("alarm"))
        found = bounded(content)
        assert isinstance(found, dict)  # noqa: S101
        return EventNews(address.node, {**found, "alarm": alarm, "node": address.node})


def _is_machine(name: str) -> bool:
    return _MACHINE.fullmatch(name) is not None


def _shown_alarm(content: dict[str, Any]) -> dict[str, Any]:
    """An alarm whose ids are ids; raises OutOfBoundsError where they are not."""
    if not re.fullmatch(ALARM_LEVEL, content["alarm_id"]) or not _MACHINE.fullmatch(content["machine"]):
        raise OutOfBoundsError("an alarm that no daemon would name so")
    if content["channel"] and not is_channel(content["channel"]):
        raise OutOfBoundsError("an alarm of a channel that cannot be")
    found = bounded(content)
    assert isinstance(found, dict)  # noqa: S101
    clip = found.get("clip")
    # An alarm must not be lost over a clip that is named oddly, and the name goes into addresses.
    if "clip" in found and not (isinstance(clip, str) and re.fullmatch(CLIP_ID, clip)):
        found["clip"] = None
    return found
