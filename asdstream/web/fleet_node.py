"""What has been heard of one node: its presence, its channels and its alarms. Text is bounded already."""

from dataclasses import dataclass, field
from typing import Any

from asdstream.mqtt.payloads import ChannelInfo, HealthPayload, InfoPayload, ScorePayload, StatusPayload, utc_text
from asdstream.web.bounded import bounded_text
from asdstream.web.channel_state import Heard, NodeState, channel_state


@dataclass(slots=True)
class Channel:
    """The latest of a channel; times are when it was heard, UTC seconds of ours."""

    first_at: float
    machine: str
    health: HealthPayload | None = None
    health_at: float = 0.0
    score: ScorePayload | None = None
    score_at: float | None = None


@dataclass(slots=True)
class Node:
    """One daemon; `alarms` are its alarms of interest by id, as JSON has them."""

    status: StatusPayload | None = None
    info: InfoPayload | None = None
    channels: dict[str, Channel] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def state(self) -> NodeState:
        """Whether the daemon says that it is there, or the broker that it is not."""
        return "unknown" if self.status is None else self.status.state

    def outdates(self, status: StatusPayload) -> bool:
        """Whether `status` is older than what is known: a last will may come after the next birth."""
        known = self.status
        return known is not None and status.birth_seq < known.birth_seq and status.ts <= known.ts

    def summary(self, key: str, *, known: bool) -> dict[str, Any]:
        """Of the node itself; without `known`, as of now nobody can tell."""
        status, info = self.status, self.info
        return {
            "node": key,
            "state": self.state if known else "unknown",
            "version": None if status is None else bounded_text(status.version),
            "bundle": None if info is None else bounded_text(info.bundle.name),
            "since": None if status is None else utc_text(status.ts.timestamp()),
        }

    def machines(self, key: str, now: float, *, known: bool) -> list[dict[str, Any]]:
        """Its machines with their channels, in the order of the configuration where that is known."""
        found: dict[str, dict[str, Any]] = {}
        for channel in self._configured():
            machine = found.setdefault(
                channel.machine,
                {"node": key, "machine": channel.machine, "machine_type": channel.machine_type, "channels": []},
            )
            machine["channels"].append(self._channel(channel.id, now, known=known))
        return list(found.values())

    def _configured(self) -> list[ChannelInfo]:
        if self.info is not None:
            return list(self.info.channels)
        return [
            ChannelInfo(id=name, machine=channel.machine, machine_type="", source="", hop_s=0.0)
            for name, channel in sorted(self.channels.items())
        ]

    def _channel(self, name: str, now: float, *, known: bool) -> dict[str, Any]:
        channel = self.channels.get(name) or Channel(first_at=now, machine="")
        score, health = channel.score, channel.health
        alarms = [alarm for alarm in self.alarms.values() if alarm["channel"] == name]
        heard = Heard(
            health=health,
            health_age_s=now - channel.health_at,
            score_age_s=now - (channel.first_at if channel.score_at is None else channel.score_at),
            calibrated=None if score is None else score.threshold is not None,
            alarms=alarms,
        )
        shown = channel_state(self.state if known else "unknown", heard)
        return {
            "channel": name,
            "state": shown.state,
            "problem": None if shown.problem is None else bounded_text(shown.problem),
            "score": None if score is None else score.score,
            "threshold": None if score is None else score.threshold,
            "scored_at": None if score is None else utc_text(score.ended_at.timestamp()),
            "level_dbfs": None if health is None else health.level_dbfs,
            "alarm_id": next((alarm["alarm_id"] for alarm in alarms if alarm["kind"] == "anomaly"), None),
        }
