"""From a plan to a report."""

from datetime import UTC, datetime
from typing import Literal

from asdstream import bundle as bundles
from asdstream.bench.energy import EnergyMeter, EnergyNotToldError
from asdstream.bench.findings import Findings, Tell, measure, measure_channels
from asdstream.bench.machine import machine_of
from asdstream.bench.memory import gpu_bytes
from asdstream.bench.meter import meter_of
from asdstream.bench.plan import Plan
from asdstream.bench.report import Report, Setting
from asdstream.bench.subject import Subject, subject_of
from asdstream.bundle import ANY_TYPE, Bundle
from asdstream.config import ConfigError
from asdstream.engine.device import choose
from asdstream.engine.separate_as import BothWays

NAMELESS = "machine"
"""The type of a machine where the bundle knows none by name."""


def run_bench(plan: Plan, tell: Tell) -> Report:
    """Measure what `plan` says; `tell` hears of every run in real time. It takes minutes.

    Raises AsdstreamError where bundle, machine type, separation or device cannot be had.
    """
    bundle = bundles.load(bundles.resolve(plan.bundle))
    machine_type = _machine_type(bundle, plan.machine_type)
    engine = plan.engine
    device = choose(engine.device, engine.precision, engine.threads).device
    subject = subject_of(bundle, engine, machine_type, plan.hop_s, plan.separate)
    meter: EnergyMeter | None = None
    try:
        meter = meter_of(device)
        energy = meter.source
    except EnergyNotToldError as error:
        energy = str(error)
    setting = Setting(
        bundle=bundle.name,
        bundle_sha256=bundle.sha256,
        machine_type=machine_type,
        separate=_heard(subject),
        hop_s=plan.hop_s,
        max_batch=engine.max_batch,
        seconds=plan.seconds,
        load=plan.load,
    )
    findings = _measure(subject, plan, meter, tell)
    return Report(setting, machine_of(engine), findings, energy, gpu_bytes(device), datetime.now(UTC))


def _measure(subject: Subject, plan: Plan, meter: EnergyMeter | None, tell: Tell) -> Findings:
    if plan.channels is not None:
        return measure_channels(subject, plan.channels, plan.seconds, tell)
    return measure(subject, plan.seconds, plan.load, meter, tell)


def _machine_type(bundle: Bundle, named: str | None) -> str:
    """The type to hear: `named`, or the first that the bundle knows, be it by its separator alone."""
    known = list(dict.fromkeys([*bundle.machine_types, *(name for name in bundle.separators if name != ANY_TYPE)]))
    if named is not None and known and named not in known:
        raise ConfigError(
            f'bundle {bundle.name} does not know machine type "{named}"; it should be one of {", ".join(known)}'
        )
    return named or next(iter(known), NAMELESS)


def _heard(subject: Subject) -> Literal["off", "on", "both"]:
    if isinstance(subject.separate_as, BothWays):
        return "both"
    return "off" if subject.separate_as is None else "on"
