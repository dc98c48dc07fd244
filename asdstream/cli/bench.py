"""asdstream bench: what a bundle does on this machine."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdstream import config
from asdstream.bench.plan import Plan
from asdstream.cli.output_file import OutputFile
from asdstream.cli.shown import show
from asdstream.config import EngineSection

if TYPE_CHECKING:
    from asdstream.bench.paced_run import PacedRun


class Separation(StrEnum):
    """As `separate` of a channel in the configuration."""

    AUTO = "auto"
    OFF = "off"
    ON = "on"
    BOTH = "both"


class Precision(StrEnum):
    """As in the configuration of the engine."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def bench(
    bundle: Annotated[
        str | None, typer.Option(help="Folder or name of the bundle.", show_default="builtin:demo", metavar="BUNDLE")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Configuration that says bundle, engine, and, by its first channel, hop, machine type and separation, "
            "where no option does.",
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(min=0.1, max=10, help="Seconds from one window of a channel to the next.", show_default="1"),
    ] = None,
    separate: Annotated[
        Separation | None, typer.Option(help="Separation from the background.", show_default="auto")
    ] = None,
    machine_type: Annotated[
        str | None, typer.Option(help="Machine type.", metavar="TYPE", show_default="the bundle's first")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.", metavar="DEVICE", show_default="auto")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help="Of the networks.", show_default="auto")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="CPU threads of the networks.", show_default="all cores")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Measure so many channels, instead of how many are held.")
    ] = None,
    load: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the channels held at which latency is measured.")
    ] = 0.7,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long each part of it takes.")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw latency against channels, as .png.")
    ] = None,
) -> None:
    """Measure what a bundle does on this machine: windows per second, channels, latency, memory.

    First windows per second, and per watt where the hardware tells what it draws. Then the largest number of channels
    that it holds without shedding anything, tried in real time with the queue and the engine of the daemon. Then the
    time from the end of a window until its score is ready to be sent, at a share of that number. It takes minutes, in
    which nothing else should run.
    """
    figures = None if json_file is None else OutputFile("--json", json_file)
    drawing = None if picture is None else OutputFile("--picture", picture, (".png",))
    named: dict[str, Any] = {"bundle": bundle, "hop_s": hop, "separate": separate, "machine_type": machine_type}
    placed = {"device": device, "precision": precision, "threads": threads}
    given = _from_config(settings) if settings is not None else {"engine": EngineSection()}
    given |= {key: value for key, value in named.items() if value is not None}
    engine = given.pop("engine").model_copy(update={key: value for key, value in placed.items() if value is not None})
    plan = Plan(**given, engine=engine, channels=channels, load=load, seconds=seconds)

    # The networks are slow to import, and a plan that is no good should be refused at once.
    from asdstream.bench.bench import run_bench

    report = run_bench(plan, _tell)
    show(report.table())
    if figures is not None:
        figures.write(f"{json.dumps(report.to_json(), indent=2)}\n".encode())
    if drawing is not None:
        from asdstream.bench.picture import draw_bench

        drawing.write(draw_bench(report))


def _from_config(path: Path) -> dict[str, Any]:
    """What a configuration says of a `Plan`."""
    settings = config.load(path)
    channel = settings.channels[0]
    return {
        "bundle": settings.bundle,
        "engine": settings.engine,
        "hop_s": channel.hop,
        "machine_type": channel.machine_type,
        "separate": channel.separate,
    }


def _tell(run: "PacedRun") -> None:
    what = "held" if run.held else f"{run.shed} shed, {run.dropped} dropped" if run.shed or run.dropped else "too slow"
    typer.echo(f"channels {run.channels}, {run.seconds:g} s: {what}, p99 {run.p99:.3f} s", err=True)
