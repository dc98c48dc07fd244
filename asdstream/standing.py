"""How the channels stand, read from what the rooms count of them."""

import time
from collections.abc import Iterator, Mapping

from asdstream.audio.capture import Listener
from asdstream.channel_scorers import ChannelScorers
from asdstream.commissioning import Commissioning
from asdstream.config import Config
from asdstream.engine.loop import EngineLoop
from asdstream.engine.overload import Shedding
from asdstream.health import Counted, channel_health, channel_reading
from asdstream.judge import Judge
from asdstream.mqtt.payloads import CommissioningPayload, HealthPayload
from asdstream.troubles import ChannelTroubles, Troubles
from asdstream.web.readings import ChannelReading


class Standing:
    """Of every channel of `config`, in its order. May be asked from any thread, `troubles` from one of them alone."""

    def __init__(
        self,
        config: Config,
        listeners: Mapping[str, Listener],
        engine: EngineLoop,
        judge: Judge,
        scorers: ChannelScorers,
        commissioning: Commissioning,
    ) -> None:
        self._sections = config.channels
        self._listeners = listeners
        self._engine = engine
        self._judge = judge
        self._scorers = scorers
        self._commissioning = commissioning
        self._troubles = {
            channel: ChannelTroubles(listener, config.alarms.source_lost_after_s, config.alarms.clipped_share)
            for channel, listener in listeners.items()
        }

    def health(self) -> Iterator[HealthPayload]:
        """What the broker is told."""
        for channel, counted in self._counted():
            yield channel_health(
                counted,
                time.monotonic(),
                time.time(),
                uncalibrated=self._scorers[channel].uncalibrated,
                alarm=self._judge.anomaly(channel),
                commissioning=CommissioningPayload.of(self._commissioning.progress(counted.machine)),
            )

    def readings(self) -> list[ChannelReading]:
        """What Prometheus is told."""
        now = time.monotonic()
        return [channel_reading(counted, now) for _, counted in self._counted()]

    def unready(self) -> list[str]:
        """The channels that have nothing to be scored against."""
        return [section.id for section in self._sections if not self._scorers[section.id].ready]

    def shedding(self) -> dict[str, Shedding]:
        """What has been given way under overload, by channel that ever does."""
        found = {section.id: self._engine.shedding(section.id) for section in self._sections}
        return {channel: given for channel, given in found.items() if given is not None}

    def troubles(self, now: float) -> dict[str, Troubles]:
        """What is wrong at monotonic second `now`, by channel; to be asked about once a second."""
        scored = self._judge.windows_scored
        return {
            # A window that a machine learns from has been put to use as one that is scored.
            channel: troubles.look(
                now,
                scored.get(channel, 0) + self._commissioning.heard(channel),
                ready=self._scorers[channel].ready or self._commissioning.learns(channel),
            )
            for channel, troubles in self._troubles.items()
        }

    def _counted(self) -> Iterator[tuple[str, Counted]]:
        dropped, scored = self._engine.dropped, self._judge.windows_scored
        for section in self._sections:
            yield (
                section.id,
                Counted(
                    self._listeners[section.id],
                    section.machine,
                    section.hop,
                    self._engine.shedding(section.id),
                    dropped.get(section.id, 0),
                    scored.get(section.id, 0),
                ),
            )
