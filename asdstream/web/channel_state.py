"""What is shown of a channel: the worst that is known, and "normal" only where somebody says so now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asdstream.mqtt.payloads import HealthPayload

ChannelState = Literal[
    "normal", "alarm", "acknowledged", "shelved", "trouble", "stale", "offline", "learning", "unknown"
]
NodeState = Literal["online", "offline", "unknown"]

HEALTH_STALE_S = 35.0
"""A daemon tells of each channel every ten seconds; after three that did not come nobody knows."""
SCORE_STALE_S = 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """The state of a channel, and one sentence on what is wrong, where something is."""

    state: ChannelState
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a channel; `alarms` are those of interest. Ages are seconds since it was heard, None if never.

    `calibrated` says whether the latest score had a threshold, None before the first score.
    """

    health: HealthPayload | None
    health_age_s: float
    score_age_s: float
    calibrated: bool | None
    alarms: Sequence[Mapping[str, Any]]


def channel_state(node: NodeState, heard: Heard) -> Shown:
    """How the channel stands on a node in state `node`."""
    if node == "offline":
        return Shown("offline", "the node is offline, so nobody listens")
    if node == "unknown":
        return Shown("unknown", "nothing is heard of the node at present")
    shown = _of_alarms(heard) or _of_silence(heard)
    if shown is not None or heard.health is None:
        return shown or Shown("unknown")
    return _of_sound(heard.health) or _of_scores(heard, heard.health)


def _of_alarms(heard: Heard) -> Shown | None:
    for alarm in heard.alarms:
        if alarm["kind"] != "anomaly":
            continue
        if alarm["shelved"] or alarm["out_of_service"]:
            return Shown("shelved", alarm["reason"] or None if alarm["active"] else None)
        if alarm["active"]:
            return Shown("acknowledged" if alarm["acknowledged"] else "alarm", alarm["reason"] or None)
    for alarm in heard.alarms:
        if alarm["active"] and alarm["kind"] != "anomaly" and not (alarm["shelved"] or alarm["out_of_service"]):
            return Shown("trouble", alarm["reason"] or None)
    return None


def _of_silence(heard: Heard) -> Shown | None:
    if heard.health is None:
        return Shown("unknown", "nothing was heard of this channel yet")
    if heard.health_age_s > HEALTH_STALE_S:
        return Shown("stale", f"nothing was heard of this channel for {heard.health_age_s:.0f} s")
    return None


def _of_sound(health: HealthPayload) -> Shown | None:
    match health:
        case HealthPayload(alarm="active"):
            # The alarm itself has not come through; that it stands is known all the same.
            return Shown("alarm", health.problem)
        case HealthPayload(state="ended"):
            return Shown("stale", health.problem or "the recordings are at their end")
        case HealthPayload(state="waiting"):
            return Shown("trouble", health.problem or "no sound comes in")
    return None


def _of_scores(heard: Heard, health: HealthPayload) -> Shown:
    learning = health.commissioning
    if learning is not None and learning.state == "learning":
        how_far = f"it learns how the machine sounds: {learning.done:.0%} are done"
        return Shown("learning", health.problem or (f"{how_far}; {learning.problem}" if learning.problem else how_far))
    if heard.calibrated is False:
        return Shown("learning", health.problem or "there is no threshold yet: enrol normal sound of this machine")
    if health.problem is not None:
        return Shown("trouble", health.problem)
    if health.alarm == "unknown":
        return Shown("learning" if health.windows_scored == 0 else "unknown", "nobody can tell yet how it sounds")
    if heard.score_age_s > SCORE_STALE_S:
        return Shown("stale", f"no score for {heard.score_age_s:.0f} s")
    return Shown("normal")
