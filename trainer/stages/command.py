"""What `asdtrain run`, `asdtrain stage` and `asdtrain export` do, and what they say."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from trainer.errors import TrainerError
from trainer.processes import joined_processes
from trainer.products import Products
from trainer.progress import StageProgress
from trainer.recipe import read_recipe
from trainer.run_folder import RunFolder
from trainer.stages.export import export_bundle, known_machines
from trainer.stages.graph import RunSummary, StageGraph
from trainer.stages.order import StageName
from trainer.stages.run import Brought, Run

INTERRUPTED = 130


def run_recipe(config: Path, out: Path | None, brought: Brought, *, resume: bool, workers: int) -> None:
    """All stages."""
    with _graph(config, out, brought, workers, repeats=False, go_on="--resume") as graph:
        summary = graph.run_all(resume=resume)
    if summary is not None:
        typer.echo(_sentence(summary))


def run_stage(name: StageName, config: Path, out: Path | None, brought: Brought, *, workers: int) -> None:
    """One stage."""
    with _graph(config, out, brought, workers, repeats=True, go_on="the same command") as graph:
        made = graph.run_one(name)
    for path in made:
        typer.echo(path)


def export_run(folder: Path, out: Path) -> None:
    """The bundle of a run folder, elsewhere."""
    recipe_file = folder / "recipe.toml"
    if not recipe_file.is_file():
        raise TrainerError(f"{folder} is no run folder: it has no recipe.toml; asdtrain run makes one")
    products = Products(RunFolder(folder).weights)
    recipe = read_recipe(recipe_file)
    bundle = export_bundle(out, recipe, products, known_machines(recipe, products))
    typer.echo(f"{bundle.path}: machine types {', '.join(bundle.machine_types) or 'by enrolment'}")


@contextlib.contextmanager
def _graph(
    config: Path, out: Path | None, brought: Brought, workers: int, *, repeats: bool, go_on: str
) -> Iterator[StageGraph]:
    recipe = read_recipe(config)
    folder = RunFolder(out or Path("runs") / recipe.name)
    with joined_processes() as processes:
        console = Console(stderr=True, quiet=not processes.is_first, markup=False)
        run = Run(recipe, folder, brought, processes, StageProgress(console), workers=workers, repeats=repeats)
        console.print(f"curves: tensorboard --logdir {folder.curves}", highlight=False, soft_wrap=True)
        try:
            yield StageGraph(run, config.read_text(encoding="utf-8-sig"))
        except KeyboardInterrupt:
            console.print(f"stopped; go on with {go_on} and --out {folder.path}", highlight=False, soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from None


def _sentence(summary: RunSummary) -> str:
    took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in summary.seconds.items() if seconds >= 1.0)
    losses = ", ".join(f"{stage} {figures['loss']:.4f}" for stage, figures in summary.training.items())
    return (
        f"{summary.bundle}: {summary.bundle_bytes / 1e6:.1f} MB, machine types {', '.join(summary.machines)}; "
        f"last loss {losses or 'none'}; {took}"
    )
