"""What has been measured, and in which order it is."""

from collections.abc import Callable
from dataclasses import dataclass

from asdstream.bench.energy import EnergyMeter
from asdstream.bench.largest_held import largest_held
from asdstream.bench.paced import run_paced
from asdstream.bench.paced_run import PacedRun
from asdstream.bench.steady_rate import SteadyRate, steady_rate
from asdstream.bench.subject import Subject

Tell = Callable[[PacedRun], None]
"""Is told of every paced run when it has ended."""


@dataclass(frozen=True, slots=True)
class Findings:
    """`tries` are the paced runs that `channels_held` rests on; `latency` is the run that latency was measured in.

    It is None where not even one channel was held. Of a run with a given number of channels there is nothing else.
    """

    latency: PacedRun | None
    rate: SteadyRate | None = None
    channels_held: int | None = None
    tries: tuple[PacedRun, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether fewer channels than were held have been shed: something else has taken the machine's time."""
        return self.channels_held is not None and self.latency is not None and self.latency.lost > 0


def measure(subject: Subject, seconds: float, load: float, meter: EnergyMeter | None, tell: Tell) -> Findings:
    """The rate, the largest number of channels held, and the latency at `load` (0 to 1) times that number.

    Every part of it takes `seconds`.
    """
    rate = steady_rate(subject, seconds, meter)
    tries: list[PacedRun] = []

    def holds(channels: int) -> bool:
        tries.append(_paced(subject, channels, seconds, tell))
        return tries[-1].held

    held = largest_held(int(rate.per_second * subject.hop_s), holds)
    latency = _paced(subject, max(1, int(load * held + 1e-9)), seconds, tell) if held else None
    return Findings(latency, rate, held, tuple(tries))


def measure_channels(subject: Subject, channels: int, seconds: float, tell: Tell) -> Findings:
    """Latency and shedding of exactly so many channels."""
    return Findings(_paced(subject, channels, seconds, tell))


def _paced(subject: Subject, channels: int, seconds: float, tell: Tell) -> PacedRun:
    run = run_paced(
        subject.engine,
        subject.scorer,
        channels,
        subject.hop_s,
        seconds,
        subject.separate_as,
        max_batch=subject.max_batch,
    )
    tell(run)
    return run
