"""From a recipe to a bundle: every stage in its order, each skipped where it is finished."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asdstream.bundle import Bundle
from trainer.errors import TrainerError
from trainer.fingerprint import data_fingerprint
from trainer.products import stage_of
from trainer.stages import calibration, classification, fusion, generative, prototypes, separators, start
from trainer.stages.export import export_bundle, known_machines
from trainer.stages.feasibility import check_feasibility
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.run import Run

PARTS: Mapping[StageName, Callable[[Run], tuple[Part, ...]]] = {
    StageName.START: start.parts,
    StageName.GENERATIVE: generative.parts,
    StageName.PHASE1: classification.phase1_parts,
    StageName.PHASE2: classification.phase2_parts,
    StageName.FUSION: fusion.parts,
    StageName.SEPARATORS: separators.parts,
    StageName.PROTOTYPES: prototypes.parts,
    StageName.CALIBRATION: calibration.parts,
}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a run, as `summary.json` holds it; times in seconds, of this run alone."""

    bundle: str
    bundle_sha256: str
    bundle_bytes: int
    seconds: dict[str, float]
    training: dict[str, dict[str, Any]]
    machines: dict[str, dict[str, Any]]


class StageGraph:
    """The stages of one run."""

    def __init__(self, run: Run, recipe_text: str) -> None:
        self._run = run
        self._recipe_text = recipe_text
        self._seconds: dict[str, float] = {}

    def run_all(self, *, resume: bool) -> RunSummary | None:
        """All stages; what came of them, in the first process.

        Raises AsdstreamError of some kind for everything that a user can mend.
        """
        run = self._run
        start.parts(run)
        check_feasibility(run)
        self._open(resume=resume)
        for stage in PARTS:
            self._stage(stage)
        if not run.processes.is_first:
            return None
        with self._timed(StageName.EXPORT):
            self._describe()
            bundle = self._export([machine.machine for machine in run.sound.machines])
        summary = self._summary(bundle)
        run.folder.write_json("summary.json", asdict(summary))
        run.folder.forget_waveforms()
        return summary

    def run_one(self, stage: StageName) -> tuple[str, ...]:
        """One stage from what the earlier ones left behind; the files that it made, in the first process.

        Raises TrainerError where the recipe has no such stage or an earlier product is missing.
        """
        run = self._run
        if stage is StageName.EXPORT:
            return (str(self._export().path),) if run.processes.is_first else ()
        self._open(resume=True)
        names = self._stage(stage)
        if not names:
            raise TrainerError(
                f"the recipe {run.recipe.name} has nothing to do in the stage {stage}"
                + ("; give weights with --audiomae, --beats or --start" if stage is StageName.START else "")
            )
        return tuple(str(run.products.path(name)) for name in names) if run.processes.is_first else ()

    def _open(self, *, resume: bool) -> None:
        run = self._run
        if run.processes.is_first:
            run.folder.open(resume=resume)
        run.processes.wait()

    def _describe(self) -> None:
        """Write down what the run is made from; not before something is made of it, as it may yet be refused."""
        sound = self._run.sound
        self._run.folder.describe(
            self._recipe_text,
            {
                "fingerprint": data_fingerprint(sound.all),
                "recordings": len(sound.all),
                "hours": round(sum(recording.seconds for recording in sound.all) / 3600, 3),
                "machines": [machine.machine for machine in sound.machines],
            },
            self._origins(),
        )

    def _stage(self, stage: StageName) -> tuple[str, ...]:
        """Finish a stage; returns the names of its products."""
        with self._timed(stage):
            parts = PARTS[stage](self._run)
            for part in parts:
                self._finish(stage, part)
        names = tuple(name for part in parts for name in part.products)
        if names and self._run.processes.is_first:
            self._run.products.keep_only(stage, names)
        return names

    def _finish(self, stage: StageName, part: Part) -> None:
        run = self._run
        for name in part.needs:
            if not run.products.has(name):
                raise TrainerError(
                    f"the stage {stage} needs {run.products.path(name)}, which is not there; "
                    f"run the stage {stage_of(name)} first"
                )
        fingerprint = part.fingerprint(run.products)
        found = {run.products.fingerprint(name) for name in part.products}
        # Nobody may write before everybody has looked.
        run.processes.wait()
        if found == {fingerprint}:
            return
        if part.trains and not run.repeats and found - {None, fingerprint}:
            raise TrainerError(
                f"the stage {part.name} in {run.folder.path} was made with another recipe or other data; repeat it "
                f"with asdtrain stage {stage}, or choose another folder with --out"
            )
        if run.processes.is_first and not run.folder.is_described:
            self._describe()
        if part.trains or run.processes.is_first:
            made = part.make(fingerprint)
            if run.processes.is_first:
                for name in part.products:
                    run.products.write(name, made[name], fingerprint)
                run.folder.checkpoint(part.name).unlink(missing_ok=True)
                self._describe()
        run.processes.wait()

    def _export(self, machines: list[str] | None = None) -> Bundle:
        run = self._run
        known = known_machines(run.recipe, run.products, machines)
        return export_bundle(run.folder.bundle, run.recipe, run.products, known)

    def _origins(self) -> dict[str, Any]:
        """Where brought weights came from, by encoder."""
        products = self._run.products
        return {
            name.removeprefix(f"{StageName.START}-"): products.facts(name)["origin"]
            for name in products.names(StageName.START)
        }

    def _summary(self, bundle: Bundle) -> RunSummary:
        run = self._run
        return RunSummary(
            bundle=str(bundle.path),
            bundle_sha256=bundle.sha256,
            bundle_bytes=sum(path.stat().st_size for path in bundle.path.rglob("*") if path.is_file()),
            seconds={stage: round(seconds, 1) for stage, seconds in self._seconds.items()},
            training=self._training(),
            machines={machine.machine: self._figures(machine.machine) for machine in run.sound.machines},
        )

    def _training(self) -> dict[str, dict[str, Any]]:
        """Steps and loss of the last epoch of everything that was trained, and how well classes are told apart."""
        figures: dict[str, dict[str, Any]] = {}
        for line in self._run.folder.metrics.read():
            stage = str(line["stage"])
            if "loss" not in line:
                figures[stage] |= {key: value for key, value in line.items() if key not in ("stage", "step")}
                continue
            known = figures.setdefault(stage, {"steps": 0, "epoch": 0, "losses": []})
            known["losses"] = [*(known["losses"] if known["epoch"] == line["epoch"] else ()), line["loss"]]
            known["steps"], known["epoch"] = line["step"], line["epoch"]
        return {stage: {"loss": float(np.mean(known.pop("losses"))), **known} for stage, known in figures.items()}

    def _figures(self, machine: str) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for stage in (StageName.PROTOTYPES, StageName.CALIBRATION):
            facts |= self._run.products.facts(f"{stage}-{machine}")
        return {key: value for key, value in facts.items() if isinstance(value, int | float)}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - began
