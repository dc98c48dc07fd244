"""asdstream score: anomaly scores of recordings, without a daemon."""

import csv
import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from asdstream.audio.recording import find_recordings, read_recording
from asdstream.audio.resampler import resample_clip
from asdstream.audio.source import AudioError
from asdstream.audio.window import SAMPLE_RATE
from asdstream.audio.windower import windows_of
from asdstream.cli.options import ConfigOption, channel_of, load_config
from asdstream.cli.shown import show
from asdstream.cli.store import store_to_read
from asdstream.config import AlarmsSection, ConfigError
from asdstream.wiring import bearable_rate, embedder_of, scorer_of, separation_of, unlike_prototypes

if TYPE_CHECKING:
    from asdstream.engine.protocol import Engine
    from asdstream.engine.separate_as import SeparateAs
    from asdstream.scoring.machine_scorer import MachineScorer


AT_ONCE = 64
"""Windows that are scored together."""


class Format(StrEnum):
    """How the scores are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """Scores of one recording: the mean over its windows, the largest, and each."""

    file: str
    seconds: float
    score: float
    largest: float
    threshold: float
    anomalous: bool
    windows: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Means:
    """What recordings are scored with; `separate_as` as `Engine.embed_samples` takes it."""

    engine: "Engine"
    scorer: "MachineScorer"
    separate_as: "SeparateAs | None"


def score(
    files: Annotated[list[Path], typer.Argument(help="WAV or FLAC files, or folders of them.", metavar="FILES...")],
    machine: Annotated[
        str | None,
        typer.Option(help="Machine of the configuration, with the references enrolled for it.", metavar="NAME"),
    ] = None,
    config: ConfigOption = None,
    bundle: Annotated[
        str | None, typer.Option(help='Without a configuration: bundle to score with, e.g. "builtin:demo".')
    ] = None,
    machine_type: Annotated[
        str | None, typer.Option(help="Without a configuration: machine type of the bundle.", metavar="TYPE")
    ] = None,
    hop: Annotated[float, typer.Option(min=0.1, max=10, help="Seconds from one window to the next.")] = 1.0,
    output: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw each recording's spectrogram with its scores over time: a .png, or an .html to zoom into.",
        ),
    ] = None,
) -> None:
    """Print the anomaly score of recordings: the cosine distance to normal sound, averaged over ten-second windows.

    Either for a machine of the configuration (--machine), or for a bundle and one of its machine types (--bundle,
    --machine-type). A recording that cannot be read is named, the others are scored, and the exit code is 1.
    """
    drawing = None
    if picture is not None:
        from asdstream.cli.score_picture import ScorePicture

        drawing = ScorePicture(picture)
    recordings = find_recordings(files)
    if drawing is not None:
        drawing.takes(len(recordings))
    if bundle is not None or machine_type is not None:
        means = _from_bundle(bundle or "builtin:demo", machine_type, hop)
    else:
        means = _from_config(config, machine, hop)
    if means.scorer.uncalibrated:
        typer.echo(means.scorer.uncalibrated, err=True)
    scores: list[RecordingScore] = []
    failed = False
    for path in recordings:
        try:
            samples = resample_clip(read_recording(path))
        except AudioError as error:
            typer.echo(f"asdstream: {error}", err=True)
            failed = True
            continue
        scores.append(_score_recording(path, samples, means, hop))
        if drawing is not None:
            threshold = None if means.scorer.uncalibrated else means.scorer.threshold
            drawing.add(str(path), samples, scores[-1].windows, hop, scores[-1].score, threshold)
    _print(scores, Format.JSON if as_json else output)
    if drawing is not None and scores:
        drawing.write()
    raise typer.Exit(int(failed))


def _from_bundle(reference: str, machine_type: str | None, hop: float) -> _Means:
    from asdstream import bundle as bundles
    from asdstream.engine.embedder import Embedder

    loaded = bundles.load(bundles.resolve(reference))
    known = ", ".join(loaded.machine_types)
    if machine_type is None:
        raise ConfigError(f"--machine-type is missing; bundle {loaded.name} knows {known}")
    if machine_type not in loaded.machine_types:
        raise ConfigError(f"--machine-type {machine_type}: bundle {loaded.name} does not know it; it knows {known}")
    rate = bearable_rate(AlarmsSection(), hop)
    separate_as = separation_of(loaded, machine_type)
    scorer = scorer_of(loaded, machine_type, machine_type, rate, separate_as=separate_as)
    return _Means(Embedder(loaded), scorer, separate_as)


def _from_config(config: Path | None, machine: str | None, hop: float) -> _Means:
    from asdstream import bundle as bundles
    from asdstream.enrolment import references_of

    settings = load_config(config)
    if machine is None:
        names = ", ".join(sorted({channel.machine for channel in settings.channels}))
        raise ConfigError(f"--machine is missing; the configuration has {names}")
    channel = channel_of(settings, machine, "--machine ")
    loaded = bundles.load(bundles.resolve(settings.bundle))
    separate_as = separation_of(loaded, channel.machine_type, channel.separate)
    unlike = unlike_prototypes(loaded, channel.machine_type, separate_as)
    if unlike is not None:
        typer.echo(unlike, err=True)
    embedder = embedder_of(settings.engine, loaded)
    with closing(store_to_read(settings)) as store:
        references = references_of(store, embedder, loaded, machine, separate_as)
    rate = bearable_rate(settings.alarms, hop)
    scorer = scorer_of(loaded, machine, channel.machine_type, rate, references, separate_as)
    return _Means(embedder, scorer, separate_as)


def _score_recording(path: Path, samples: NDArray[np.float32], means: _Means, hop: float) -> RecordingScore:
    windows = windows_of(samples, hop)
    # Windows overlap: all those of an hour at once would take gigabytes.
    values = np.concatenate(
        [
            means.scorer.score_vectors(means.engine.embed_samples(windows[first : first + AT_ONCE], means.separate_as))
            for first in range(0, len(windows), AT_ONCE)
        ]
    )
    mean = float(np.mean(values))
    return RecordingScore(
        file=str(path),
        seconds=round(len(samples) / SAMPLE_RATE, 3),
        score=mean,
        largest=float(np.max(values)),
        threshold=means.scorer.threshold,
        anomalous=mean > means.scorer.threshold,
        windows=tuple(float(value) for value in values),
    )


def _print(scores: list[RecordingScore], output: Format) -> None:
    match output:
        case Format.JSON:
            typer.echo(json.dumps([asdict(row) for row in scores], indent=2))
        case Format.CSV:
            writer = csv.writer(sys.stdout)
            writer.writerow(["file", "seconds", "score", "largest", "threshold", "anomalous", "windows"])
            for row in scores:
                writer.writerow(
                    [row.file, row.seconds, row.score, row.largest, row.threshold, int(row.anomalous), len(row.windows)]
                )
        case Format.TABLE:
            table = Table("file", "seconds", "windows", "score", "largest", "threshold", "")
            for row in scores:
                table.add_row(
                    row.file,
                    f"{row.seconds:.1f}",
                    str(len(row.windows)),
                    f"{row.score:.4f}",
                    f"{row.largest:.4f}",
                    f"{row.threshold:.4f}",
                    "ANOMALOUS" if row.anomalous else "normal",
                )
            show(table)
