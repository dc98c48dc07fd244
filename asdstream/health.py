"""How each channel is and what the daemon is, put together from what the rooms count."""

from dataclasses import dataclass
from typing import Literal

from asdstream import __version__
from asdstream.alarms.event import AlarmState, Condition
from asdstream.audio.capture import Listener
from asdstream.bundle import Bundle
from asdstream.config import Config
from asdstream.engine.overload import Shedding
from asdstream.mqtt.payloads import BundleInfo, ChannelInfo, CommissioningPayload, HealthPayload, InfoPayload, moment
from asdstream.web.readings import ChannelReading


@dataclass(frozen=True, slots=True)
class Counted:
    """What the rooms count of one channel.

    `hop_s` is the configured hop; `shedding` what the channel has given way under overload, None if it never does.
    """

    listener: Listener
    machine: str
    hop_s: float
    shedding: Shedding | None
    dropped: int
    scored: int

    @property
    def given_way(self) -> Shedding:
        """The same for those that never do."""
        return self.shedding or Shedding(self.hop_s)

    def sound_age_s(self, now: float) -> float | None:
        """Since the latest sound, at monotonic second `now`; None before the first."""
        last_sound = self.listener.channel.stats.last_sound
        return None if last_sound is None else now - last_sound


def channel_health(
    counted: Counted,
    now: float,
    utc: float,
    *,
    uncalibrated: str | None,
    alarm: AlarmState,
    commissioning: CommissioningPayload | None = None,
) -> HealthPayload:
    """The health message of one channel; `now` is monotonic seconds, `utc` since the epoch.

    `alarm` is the one about its sound. A machine that is learning is not judged, and that is no problem.
    """
    learning = commissioning is not None and commissioning.state == "learning"
    if learning:
        uncalibrated = None
    source, stats = counted.listener.source, counted.listener.channel.stats
    given_way, age_s = counted.given_way, counted.sound_age_s(now)
    overloaded = None
    if given_way.hop_s > counted.hop_s:
        overloaded = (
            f"the engine cannot keep up: a window is scored every {given_way.hop_s:g} s instead of every "
            f"{counted.hop_s:g} s"
        )
    return HealthPayload(
        ts=moment(utc),
        channel=counted.listener.channel.channel_id,
        machine=counted.machine,
        state=source.state.value,
        alarm=_standing(alarm, judged=counted.scored > 0 and uncalibrated is None and not learning),
        problem=source.problem or uncalibrated or overloaded,
        last_frame_age_s=None if age_s is None else round(age_s, 3),
        level_dbfs=None if stats.level_dbfs is None else round(stats.level_dbfs, 1),
        silent=stats.silent,
        clipping=stats.clipped,
        gaps=stats.gaps,
        dropped=counted.dropped,
        rejected=source.rejected,
        nan_samples=stats.nan_samples,
        windows_scored=counted.scored,
        hop_s=given_way.hop_s,
        hop_widened=given_way.hop_widened,
        windows_shed=given_way.windows_shed,
        windows_dropped=given_way.windows_dropped,
        commissioning=commissioning,
    )


def channel_reading(counted: Counted, now: float) -> ChannelReading:
    """The same in numbers for the metrics, at monotonic second `now`."""
    stats = counted.listener.channel.stats
    return ChannelReading(
        channel=counted.listener.channel.channel_id,
        machine=counted.machine,
        hop_s=counted.given_way.hop_s,
        windows=stats.windows,
        scored=counted.scored,
        shed=counted.given_way.windows_shed,
        dropped=counted.dropped,
        gaps=stats.gaps,
        rejected=counted.listener.source.rejected,
        nan_samples=stats.nan_samples,
        sound_age_s=counted.sound_age_s(now),
        level_dbfs=stats.level_dbfs,
    )


def info_of(config: Config, bundle: Bundle, boot_id: str, utc: float) -> InfoPayload:
    """What this daemon is."""
    return InfoPayload(
        ts=moment(utc),
        boot_id=boot_id,
        version=__version__,
        bundle=BundleInfo(name=bundle.name, sha256=bundle.sha256),
        channels=tuple(
            ChannelInfo(
                id=channel.id,
                machine=channel.machine,
                machine_type=channel.machine_type,
                source=channel.source.kind,
                hop_s=channel.hop,
            )
            for channel in config.channels
        ),
    )


def _standing(alarm: AlarmState, *, judged: bool) -> Literal["none", "active", "unknown"]:
    """A machine that nobody has `judged` is not known to be well."""
    if alarm.active:
        return "none" if alarm.quiet else "active"
    return "none" if judged and alarm.condition is not Condition.UNKNOWN else "unknown"
