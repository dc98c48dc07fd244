"""`asdtrain`: rebuild the models, look at the data, measure a bundle."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from asdstream import bundle as bundles
from asdstream.cli.frame import new_app, run_app
from trainer.catalogue import read_catalogue, report_on
from trainer.out_folder import made_out_folder
from trainer.stages.order import StageName

if TYPE_CHECKING:
    from trainer.results import SystemResult

app = new_app(
    "asdtrain",
    "Makes bundles for asdstream: trains the encoder, sums up normal sound, and measures the result.",
)

DataOption = Annotated[
    Path,
    typer.Option(
        "--data", metavar="ROOT", help="Folder that holds <machine>/{train,test}/ or <machine>/{normal,abnormal}/."
    ),
]

MachineOption = Annotated[
    list[str] | None, typer.Option("--machine", help="Only this machine; may be given several times.")
]

FoldOption = Annotated[
    int,
    typer.Option("--fold", min=1, max=2, help="Of a plain <machine>/normal folder, which half of it is for training."),
]

TruthOption = Annotated[
    Path | None,
    typer.Option(
        "--truth",
        metavar="DIR",
        help="Folder of the official ground_truth_*.csv of an evaluation set, where they do not lie with the data.",
    ),
]


ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="The recipe: a TOML file, see conf/trainer/.")]
TrainingDataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="ROOT", help="Folder that holds <machine>/train/, where the recipe needs one."),
]
MoreDataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--more-data",
        metavar="ROOT",
        help="More recordings to learn from, of other years or machines; may be given several times.",
    ),
]
NoiseOption = Annotated[
    Path | None, typer.Option("--noise", metavar="ROOT", help="Folder with recordings of noise to mix in.")
]
AudioMAEOption = Annotated[
    Path | None, typer.Option("--audiomae", metavar="FILE", help="A published AudioMAE checkpoint to start from.")
]
BEATsOption = Annotated[
    Path | None, typer.Option("--beats", metavar="FILE", help="A published BEATs checkpoint to start from.")
]
StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="BUNDLE", help="Bundle folder, or builtin:<name>, whose encoders to start from."),
]
RunFolderOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder; runs/<name of the recipe> if left out.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=0, help="Processes that prepare sound.")]


class PoolingChoice(StrEnum):
    """How the tokens of a window become one embedding."""

    BUNDLE = "bundle"
    MEAN = "mean"
    BANDS = "bands"


class SeparateChoice(StrEnum):
    """Whether recordings are separated by the bundle's separators before they are scored."""

    OFF = "off"
    ON = "on"
    BOTH = "both"


class SplitChoice(StrEnum):
    """Which recordings of a data set."""

    TEST = "test"
    CLEAN = "clean"
    TRAIN = "train"


@app.command("run")
def run(
    config: ConfigArgument,
    data: TrainingDataOption = None,
    more_data: MoreDataOption = None,
    noise: NoiseOption = None,
    audiomae: AudioMAEOption = None,
    beats: BEATsOption = None,
    start: StartOption = None,
    out: RunFolderOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what the run folder holds.")] = False,
    workers: WorkersOption = 2,
) -> None:
    """Train as the recipe says, all its stages, and write a bundle.

    The run folder then holds bundle/ (for asdstream), weights/ with what each stage made, summary.json,
    metrics.jsonl, curves for TensorBoard, pictures, the recipe, versions and a fingerprint of the data. A stage that is
    finished is not repeated with --resume. Started by torchrun, several processes train together.
    """
    from trainer.stages.command import run_recipe
    from trainer.stages.run import Brought

    brought = Brought(data, tuple(more_data or ()), noise, audiomae, beats, start)
    run_recipe(config, out, brought, resume=resume, workers=workers)


@app.command("stage")
def stage(
    name: Annotated[StageName, typer.Argument(metavar="NAME", help=f"One of {', '.join(StageName)}.")],
    config: ConfigArgument,
    data: TrainingDataOption = None,
    more_data: MoreDataOption = None,
    noise: NoiseOption = None,
    audiomae: AudioMAEOption = None,
    beats: BEATsOption = None,
    start: StartOption = None,
    out: RunFolderOption = None,
    workers: WorkersOption = 2,
) -> None:
    """Run one stage of a recipe alone, from what the earlier ones left in weights/ of the run folder.

    A stage that was killed goes on; one that is finished is done anew where the recipe or the data have changed. The
    files in weights/ may come from another machine.
    """
    from trainer.stages.command import run_stage
    from trainer.stages.run import Brought

    brought = Brought(data, tuple(more_data or ()), noise, audiomae, beats, start)
    run_stage(name, config, out, brought, workers=workers)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the bundle goes.")],
) -> None:
    """Write the bundle of a run folder again, from recipe.toml and weights/ in it; no data are needed."""
    from trainer.stages.command import export_run

    export_run(folder, out)


@app.command("data")
def data(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder at or above <machine>/{train,test}/.")],
    truth: TruthOption = None,
) -> None:
    """List the recordings found, and what is wrong with them. Exit code 1 where anything is."""
    report = report_on(read_catalogue(root, truth=truth))
    typer.echo(str(report))
    if report.problems:
        raise typer.Exit(1)


@app.command("checkpoint")
def checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A published .pt, .pth or .safetensors file.")],
    heads: Annotated[
        int | None, typer.Option("--heads", min=1, help="Attention heads of an AudioMAE whose heads are not 64 wide.")
    ] = None,
) -> None:
    """Say which published checkpoint a file is, whether it is whole, its SHA-256 and its licence."""
    from asdstream.models import public_checkpoint

    found = public_checkpoint.load(file, heads)
    typer.echo(f"{found.path}: {found.kind}")
    typer.echo(f"  {found.numbers / 1e6:.1f} million numbers, {found.size_bytes / 1e6:.1f} MB")
    typer.echo(f"  SHA-256 {found.sha256}")
    typer.echo(f"  {found.licence_note}")


@app.command("evaluate")
def evaluate(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result files go.")],
    bundle: Annotated[str | None, typer.Option("--bundle", help="Bundle folder, or builtin:<name>.")] = None,
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--systems",
            metavar="SYSTEM...",
            help="Several, side by side: bundles, and folders that evaluate or baseline wrote for the same data.",
        ),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="SYSTEM", hidden=True)] = None,
    machine: MachineOption = None,
    fold: FoldOption = 1,
    truth: TruthOption = None,
    back_end: Annotated[
        str,
        typer.Option(
            "--back-end",
            help="How embeddings become a score: minimum-cosine, nearest-reference (as after enrolling all training "
            "clips), local-density, generalised-mean, relative-deviation.",
        ),
    ] = "minimum-cosine",
    normalise_branches: Annotated[
        bool, typer.Option("--normalise-branches", help="Bring the branches to one scale before their mean is taken.")
    ] = False,
    pooling: Annotated[
        PoolingChoice, typer.Option("--pooling", help="Over all patches, or over time with each band kept.")
    ] = PoolingChoice.BUNDLE,
    loudness: Annotated[
        float | None,
        typer.Option(
            "--loudness",
            min=0.0,
            max=bundles.MOST_LOUDNESS,
            help="Length of the loudness of each mel band beside an embedding of unit length, instead of the bundle's.",
        ),
    ] = None,
    separate: Annotated[
        SeparateChoice,
        typer.Option(
            "--separate", help="Separate all clips first; of both, the scores are brought to one scale and averaged."
        ),
    ] = SeparateChoice.OFF,
    noise: Annotated[
        Path | None,
        typer.Option(
            "--noise",
            metavar="ROOT",
            help="Mix noise below this folder into all clips, some of it into training, the rest into test clips.",
        ),
    ] = None,
    snr: Annotated[
        float | None,
        typer.Option("--snr", metavar="DB", help="Mean level of a section's training clips over the noise."),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Histograms of scores, ROC curves, maps of embeddings.")] = True,
) -> None:
    """Measure the encoders of a bundle, or of several, on DCASE Task 2 data.

    Prototypes are fitted to the training clips of each section (those of the bundle are not used); test clips are only
    scored. Writes anomaly_score_*.csv, decision_result_*.csv, evaluation.json, pictures, and table1.md, the report's
    table with our row, to the folder --out; of several systems each to a folder of its own in it, and comparison.md.
    """
    from trainer.evaluate import EvaluationSettings
    from trainer.evaluation_report import EvaluationRun
    from trainer.noise_folder import AddedNoise

    if more and not systems:
        raise typer.BadParameter(f"{more[0]} stands alone; bundles follow --bundle or --systems")
    references = [*([bundle] if bundle else []), *(systems or []), *(more or [])]
    if not references:
        raise typer.BadParameter("say what to measure with --bundle or --systems")
    if (noise is None) != (snr is None):
        raise typer.BadParameter("--noise and --snr belong together: where the noise is, and how far below the clips")
    settings = EvaluationSettings(
        back_end=back_end,
        normalise_branches=normalise_branches,
        pooling=pooling.value,
        loudness=loudness,
        separate=separate.value,
        noise=AddedNoise(str(noise), snr) if noise and snr is not None else None,
    )
    made_out_folder(out)
    run = EvaluationRun(
        read_catalogue(data, fold, truth), machine, settings, out, Console(stderr=True), pictures=pictures
    )
    compared = run.measure(references)
    for system in compared:
        _print_result(system.result, data)
    typer.echo("\n" + run.tables(compared))
    typer.echo(f"written to {out}")


@app.command("separation")
def separation(
    bundle: Annotated[str, typer.Option("--bundle", help="Bundle folder, or builtin:<name>.")],
    clean: Annotated[
        Path, typer.Option("--clean", metavar="ROOT", help="Recordings of machines, laid out as for --data.")
    ],
    noise: Annotated[Path, typer.Option("--noise", metavar="ROOT", help="Folder of recordings of noise.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result files go.")],
    machine: MachineOption = None,
    split: Annotated[
        SplitChoice | None,
        typer.Option(
            "--split",
            help="Test clips, supplemental clean ones or training clips; the first of these that is there if left out.",
        ),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Normal, and anomalous, clips of each machine.")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same mixtures.")] = 0,
) -> None:
    """Measure the separators of a bundle: SI-SDR improvement on recordings with noise at -5, 0, 5 and 10 dB.

    Writes separation.json, separation.md, a box plot and a few spectrograms to the folder --out.
    """
    from trainer.separation_measure import chosen_clips, measure_separation
    from trainer.separation_report import separation_table, write_separation

    made_out_folder(out)
    loaded = bundles.load(bundles.resolve(bundle))
    chosen = chosen_clips(read_catalogue(clean), machine, split.value if split else None, clips, seed)
    report = measure_separation(loaded, chosen, noise, seed=seed, console=Console(stderr=True))
    write_separation(out, report)
    typer.echo(separation_table(report))
    typer.echo(f"written to {out}")


@app.command("baseline")
def baseline(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result files go.")],
    machine: MachineOption = None,
    fold: FoldOption = 1,
    truth: TruthOption = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="The published baseline trains for 100.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same figures.")] = 0,
) -> None:
    """Train and measure the autoencoder of DCASE Task 2: the floor that any system must clear.

    One autoencoder per machine, trained on the training clips of both domains; test clips are only scored. Beside its
    two scores stands one that needs no training: the distance of log-mel statistics to the nearest training clip.
    Writes anomaly_score_*.csv, decision_result_*.csv and evaluation.json to the folders mse, mahalanobis and
    statistics in --out, and comparison.md. What was stopped goes on with the machine that it had come to.
    """
    from trainer.autoencoder import AutoencoderSettings
    from trainer.baseline import run_baseline
    from trainer.comparison import compare
    from trainer.evaluation_report import write_system, write_tables

    made_out_folder(out)
    settings = AutoencoderSettings(epochs=epochs, seed=seed)
    catalogue = read_catalogue(data, fold, truth)
    results = run_baseline(
        catalogue, machine, settings=settings, console=Console(stderr=True), kept=out / "autoencoders"
    )
    compared = compare([(result.system, result) for result in results.values()])
    for mode, system in zip(results, compared, strict=True):
        write_system(out / mode, system)
        _print_result(system.result, data)
    write_tables(out, compared)
    typer.echo(f"written to {', '.join(str(out / mode) for mode in results)}")


@app.command("ablate")
def ablate(
    bundle: Annotated[str, typer.Option("--bundle", help="Bundle folder, or builtin:<name>.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result files go.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="ROOT", help="Folder that holds <machine>/{normal,abnormal}/; simulated machines without."
        ),
    ] = None,
    machine: MachineOption = None,
    fold: FoldOption = 1,
    truth: TruthOption = None,
    test_clips: Annotated[
        bool,
        typer.Option("--test-clips", help="Compare on official test clips, knowing that the choice then flatters."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Compare the ways of turning a bundle's embeddings into a score: back ends, pooling, loudness, scale of branches.

    Without --data, on simulated machines that no recipe trains on, healthy and with slight faults. Official test clips
    are refused unless --test-clips says otherwise. Writes ablation.json and ablation.md to the folder --out.
    """
    import tempfile

    from trainer import ablation

    made_out_folder(out)
    console = Console(stderr=True)
    loaded = bundles.load(bundles.resolve(bundle))
    with tempfile.TemporaryDirectory() as scratch:
        if data is None:
            ablation.simulate(Path(scratch), seed, console)
        catalogue = read_catalogue(data or Path(scratch), fold, truth if data else None)
        if data is not None and not test_clips:
            ablation.refuse_official_test_clips(catalogue)
        variants = ablation.ablate(loaded, catalogue, machine, seed=seed, console=console)
    clips = f"simulated machines, seed {seed}" if data is None else f"the clips under {data}"
    if test_clips and data is not None:
        clips += " (test clips: a choice made here flatters the figures on them)"
    ablation.write_ablation(out, variants, clips)
    typer.echo(ablation.summary(variants, clips))
    typer.echo(f"written to {out}")


def _print_result(result: "SystemResult", data: Path) -> None:
    table = Table("machine", "section", "sAUC", "tAUC", "pAUC", "h-mean", title=f"{result.system} on {data}")
    for section in result.sections:
        figures = section.figures
        values = (
            (figures.source_auc, figures.target_auc, figures.partial_auc, figures.harmonic_mean)
            if figures
            else (None,) * 4
        )
        table.add_row(section.machine, section.section, *("-" if v is None else f"{v:.4f}" for v in values))
    console = Console(markup=False)
    console.print(table)
    if result.harmonic_mean is not None:
        console.print(f"harmonic mean of all figures: {result.harmonic_mean:.4f}", highlight=False)


def main() -> None:
    """Entry point of `asdtrain`."""
    run_app(app)
