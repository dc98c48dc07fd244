"""How many windows a second an engine makes of streams that go on, and at what cost in energy."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from asdstream.bench.energy import EnergyMeter
from asdstream.bench.sound import ChannelSound
from asdstream.bench.subject import Subject

READ_EVERY_S = 30.0
"""Within so much time no energy counter goes round."""


@dataclass(frozen=True, slots=True)
class SteadyRate:
    """So many windows were embedded and scored in so many seconds, for `joules` where that is told."""

    windows: int
    seconds: float
    joules: float | None = None

    @property
    def per_second(self) -> float:
        """Windows a second."""
        return self.windows / self.seconds

    @property
    def watts(self) -> float | None:
        """What was drawn on the average."""
        return None if self.joules is None else self.joules / self.seconds

    @property
    def per_joule(self) -> float | None:
        """Windows for a joule, which is windows per second and watt; None where nothing was drawn that was counted."""
        return self.windows / self.joules if self.joules else None


def steady_rate(
    subject: Subject, seconds: float, meter: EnergyMeter | None = None, clock: Callable[[], float] = time.perf_counter
) -> SteadyRate:
    """Embed and score full batches of as many streams for `seconds`, and at least once.

    Every round each stream goes on by one hop, so that what its windows share is not computed anew. The first windows,
    of which all is new, are left out.
    """
    sound = ChannelSound(subject.max_batch, subject.hop_s)
    separations = {} if subject.separate_as is None else dict.fromkeys(sound.names, subject.separate_as)

    def hear(number: int) -> None:
        for embedding in subject.engine.embed(sound.round(number, time.monotonic()), separations):
            subject.scorer.score(embedding)

    hear(0)
    rounds = 0
    if meter is not None:
        meter.start()
    begun = read_at = clock()
    while True:
        rounds += 1
        hear(rounds)
        now = clock()
        if now - begun >= seconds:
            break
        if meter is not None and now - read_at >= READ_EVERY_S:
            meter.joules()
            read_at = now
    return SteadyRate(rounds * subject.max_batch, now - begun, None if meter is None else meter.joules())
