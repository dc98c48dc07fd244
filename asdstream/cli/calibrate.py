"""asdstream calibrate: the threshold that keeps a rate of false alarms, from a machine's normal sound."""

import json
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.cli.asking import actor_of
from asdstream.cli.options import ConfigOption, channel_of, load_config
from asdstream.cli.output_file import OutputFile
from asdstream.cli.store import store_of
from asdstream.engine.separate_as import BothWays
from asdstream.scoring.errors import CalibrationError
from asdstream.scoring.false_alarms import DAY_SECONDS, FalseAlarmRate
from asdstream.wiring import bearable_rate, embedder_of, scorer_of, separation_of, unlike_prototypes

if TYPE_CHECKING:
    from asdstream.held_out_sound import HeldOut
    from asdstream.scoring.machine_scorer import MachineScorer
    from asdstream.scoring.scorer import Bank


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one way of hearing a machine; alarms a day with a 90 % interval where the sound is at hand.

    `heard_alarms` are those that the held-out sound, or the references, would have raised; `proven_per_day` is what
    their number alone, without a fitted tail, says at most (95 %).
    """

    heard: str
    false_alarms_per_day: float
    threshold: float
    median: float
    decided_by: str
    tail: str
    independent_windows: float
    recordings_held_out: int
    alarms_per_day: float
    interval: tuple[float, float] | None
    heard_alarms: int | None
    proven_per_day: float | None
    shortage: str | None


def calibrate(
    machine: Annotated[str, typer.Argument(help="Machine of the configuration.", metavar="MACHINE")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="WAV or FLAC recordings of its normal sound that are not enrolled, or folders; the longer the better.",
            metavar="[FILES...]",
        ),
    ] = None,
    config: ConfigOption = None,
    false_alarms_per_day: Annotated[
        float | None,
        typer.Option(help="Bearable false alarms a day; without it what the configuration says.", metavar="RATE"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the recordings, so that the daemon goes by them.")] = False,
) -> None:
    """Tell the threshold of a machine, what it rests on, and how many false alarms it is expected to let through.

    Without FILES it rests on the references enrolled, each left out in turn, and the bundle. FILES are scored against
    all of them, as the windows to come will be; from ten independent minutes on they decide alone. Kept with --save,
    they follow later references, another rate and another bundle: the threshold is worked out anew every time.
    """
    from asdstream import bundle as bundles
    from asdstream.enrolment import references_of
    from asdstream.held_out_sound import embed_kept, hold_out_files, keep_held_out

    figures = None if json_file is None else OutputFile("--json", json_file)
    settings = load_config(config)
    channel = channel_of(settings, machine)
    loaded = bundles.load(bundles.resolve(settings.bundle))
    separate_as = separation_of(loaded, channel.machine_type, channel.separate)
    unlike = unlike_prototypes(loaded, channel.machine_type, separate_as)
    if unlike is not None:
        typer.echo(unlike, err=True)
    configured = bearable_rate(settings.alarms, channel.hop)
    rate = configured if false_alarms_per_day is None else replace(configured, per_day=false_alarms_per_day)
    at_least_s = WINDOW_SECONDS + (rate.n - 1) * rate.hop_s
    embedder = embedder_of(settings.engine, loaded)
    with closing(store_of(settings)) as store:
        if save:
            embed_kept(store, embedder, loaded, machine, separate_as)
        kept = references_of(store, embedder, loaded, machine, separate_as)
        new = hold_out_files(embedder, files, channel.hop, at_least_s, separate_as) if files else []
        references = [*kept, *(one.reference for one in new)]
        scorer = scorer_of(loaded, machine, channel.machine_type, rate, references, separate_as)
        _refuse_unheard(scorer, new)
        each = replace(rate, per_day=rate.per_day / 2) if isinstance(separate_as, BothWays) else rate
        found = [_finding(way, bank, each) for way, bank in scorer.banks.items() if bank.calibration is not None]
        _print(machine, scorer, found)
        if save and new:
            keep_held_out(store, loaded, machine, new, actor_of(None), time.time(), separate_as)
            minutes = sum(one.seconds for one in new) / 60
            typer.echo(f"Kept {minutes:.0f} minutes; a daemon that uses {settings.store.path} goes by them in seconds.")
            if rate != configured:
                typer.echo(f"The daemon goes by alarms.false_alarms_per_day = {configured.per_day:g}.", err=True)
    if figures is not None:
        report = {"machine": machine, "threshold": scorer.threshold, "ways": [asdict(one) for one in found]}
        figures.write(f"{json.dumps(report, indent=2)}\n".encode())


def _refuse_unheard(scorer: "MachineScorer", new: "list[HeldOut]") -> None:
    """Raises CalibrationError where a machine has no threshold, or a recording took no part in it."""
    if not scorer.ready or (scorer.uncalibrated and not new):
        raise CalibrationError(scorer.uncalibrated or f"machine {scorer.machine!r} has no prototypes")
    heard = [set(bank.held_out) for bank in scorer.banks.values()]
    for one in new:
        if not any(one.reference.label in labels for labels in heard):
            if any(heard):
                raise CalibrationError(
                    f"{one.file} is enrolled as a reference of {scorer.machine!r}, at least in part, and so says "
                    "nothing of unheard sound; give another recording"
                )
            raise CalibrationError(
                f"the recordings amount to fewer than 10 independent windows of {scorer.machine!r}: give longer or "
                "more varied ones, none of which is enrolled"
            )


def _finding(way: str, bank: "Bank", rate: FalseAlarmRate) -> Finding:
    from asdstream.scoring.alarm_calibration import AlarmCalibration
    from asdstream.scoring.expected_alarms import expected_alarms
    from asdstream.scoring.gamma import GammaTail

    calibration = bank.calibration
    if calibration is None:
        raise CalibrationError(bank.uncalibrated or "there is no calibration")
    finding = Finding(
        heard="separated" if way else "as it is",
        false_alarms_per_day=rate.per_day,
        threshold=bank.threshold,
        median=calibration.median,
        decided_by=bank.decided_by or "bundle",
        tail="gamma",
        independent_windows=round(calibration.looks, 1),
        recordings_held_out=len(bank.held_out),
        alarms_per_day=0.0,
        interval=None,
        heard_alarms=None,
        proven_per_day=None,
        shortage=bank.shortage,
    )
    if not isinstance(calibration, AlarmCalibration):
        over = GammaTail(calibration.shape, calibration.scale, calibration.location).exceeded(bank.threshold)
        return replace(finding, alarms_per_day=over * DAY_SECONDS / (rate.k * rate.hop_s))
    expected = expected_alarms(calibration, rate.per_day, bank.threshold)
    return replace(
        finding,
        tail=calibration.tail(rate.per_day),
        alarms_per_day=expected.per_day,
        interval=(expected.low, expected.high),
        heard_alarms=expected.heard,
        proven_per_day=expected.proven,
    )


def _print(machine: str, scorer: "MachineScorer", found: list[Finding]) -> None:
    typer.echo(f"{machine}: threshold {scorer.threshold:.4f}")
    for one in found:
        if len(found) > 1:
            typer.echo(f"heard {one.heard}: threshold {one.threshold:.4f}")
        typer.echo(f"  normal sound        median {one.median:.4f}, {one.independent_windows:.0f} independent windows")
        typer.echo(f"  decided by          {one.decided_by}, {one.tail} tail")
        typer.echo(f"  asked for           {one.false_alarms_per_day:g} false alarms a day")
        interval = "" if one.interval is None else f" ({one.interval[0]:.2g} to {one.interval[1]:.2g})"
        typer.echo(f"  expected            {one.alarms_per_day:.2g} a day{interval}")
        if one.proven_per_day is not None:
            typer.echo(f"  without any tail    {one.heard_alarms} heard, so fewer than {one.proven_per_day:.2g} a day")
        if one.shortage is not None:
            typer.echo(f"  too little          {one.shortage}")
    if scorer.uncalibrated is not None:
        typer.echo(scorer.uncalibrated, err=True)
