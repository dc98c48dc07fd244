"""The bundle, where its networks run, and whether that is fast enough for the channels."""

from collections.abc import Iterator
from pathlib import Path

from asdstream.config import ChannelSection, Config
from asdstream.doctor.bundle import look_at_bundle
from asdstream.doctor.finding import Finding, failed, guarded, ok, warning
from asdstream.engine.separate_as import SeparateAs
from asdstream.wiring import separation_of

MEASURE_S = 3.0
FULL, BUSY = 0.9, 0.7
"""Shares of the engine's time: from the first on windows are shed, from the second on latency grows."""
NVIDIA = Path("/dev/nvidia0")


def look_at_engine(settings: Config, *, measure: bool = True, nvidia: Path = NVIDIA) -> Iterator[Finding]:
    """Of the bundle, the device, and, where `measure`, the speed against the configured channels."""
    yield from look_at_bundle(settings)
    yield from guarded("device", lambda: _device(settings, nvidia), "mend engine.device and engine.precision")
    if measure:
        yield from guarded("speed", lambda: _speed(settings), "mend the bundle or the engine first")


def _device(settings: Config, nvidia: Path) -> Iterator[Finding]:
    from asdstream.bench.machine import machine_of

    machine = machine_of(settings.engine)
    placed = f"{machine.device}, {machine.precision}, {machine.threads} threads of {machine.cores} cores"
    says = f"{placed} ({machine.processor})"
    if machine.device == "cpu" and nvidia.exists():
        yield warning(
            "device",
            f"{says}; there is an NVIDIA GPU, but torch cannot use it",
            "make install DEVICE=gpu, and see whether nvidia-smi answers",
        )
        return
    yield ok("device", says)


def _speed(settings: Config) -> Iterator[Finding]:
    from asdstream import bundle as bundles
    from asdstream.bench.steady_rate import steady_rate
    from asdstream.bench.subject import subject_of

    bundle = bundles.load(bundles.resolve(settings.bundle))
    # How long a window takes is a matter of how it is separated.
    wanted: dict[SeparateAs | None, float] = {}
    types: dict[SeparateAs | None, ChannelSection] = {}
    for channel in settings.channels:
        separate_as = separation_of(bundle, channel.machine_type, channel.separate)
        wanted[separate_as] = wanted.get(separate_as, 0.0) + 1.0 / channel.hop
        types.setdefault(separate_as, channel)
    load, said = 0.0, []
    for separate_as, channel in types.items():
        subject = subject_of(bundle, settings.engine, channel.machine_type, channel.hop, channel.separate)
        rate = steady_rate(subject, MEASURE_S).per_second
        said.append(f"{rate:.1f} windows/s {'as they are' if separate_as is None else 'separated'}")
        load += wanted[separate_as] / rate
    says = (
        f"{', '.join(said)}; {len(settings.channels)} channels take {load:.0%} of the engine's time "
        f"({sum(wanted.values()):.1f} windows/s)"
    )
    mend = 'a longer hop, fewer channels, separate = "off", or a GPU; asdstream bench -c FILE says how many it holds'
    if load > FULL:
        yield failed("speed", f"{says}: windows will be left out", mend)
    elif load > BUSY:
        yield warning("speed", f"{says}: scores will come late at times", mend)
    else:
        yield ok("speed", says)
