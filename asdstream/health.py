"""How each channel is, put together from what the rooms count."""

from asdstream.audio.capture import Listener
from asdstream.mqtt.payloads import HealthPayload, moment


def channel_health(
    listener: Listener, machine: str, now: float, utc: float, dropped: int, scored: int, uncalibrated: str | None
) -> HealthPayload:
    """The health message of one channel; `now` is monotonic seconds, `utc` since the epoch."""
    stats = listener.channel.stats
    return HealthPayload(
        ts=moment(utc),
        channel=listener.channel.channel_id,
        machine=machine,
        state=listener.source.state.value,
        problem=listener.source.problem or uncalibrated,
        last_frame_age_s=None if stats.last_sound is None else round(now - stats.last_sound, 3),
        level_dbfs=None if stats.level_dbfs is None else round(stats.level_dbfs, 1),
        silent=stats.silent,
        clipping=stats.clipped,
        gaps=stats.gaps,
        dropped=dropped,
        rejected=listener.source.rejected,
        nan_samples=stats.nan_samples,
        windows_scored=scored,
    )
