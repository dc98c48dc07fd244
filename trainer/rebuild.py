"""One recipe from sound to bundle: what `asdtrain run` does."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.bundle import MachineType
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from asdstream.scoring.calibration import MIN_LOOKS, independent_looks
from trainer.calibrate import calibrate
from trainer.catalogue import read_catalogue
from trainer.embeddings import RecordingEmbedder
from trainer.errors import TrainerError
from trainer.export import export_bundle, export_encoder
from trainer.fingerprint import data_fingerprint
from trainer.folder_sound import folder_sound
from trainer.front_end_cache import FrontEndCache
from trainer.generative import GenerativeObjective
from trainer.loop import LoopSettings, Step, TrainingLoop
from trainer.pictures import draw_losses, draw_reconstruction
from trainer.progress import StageProgress
from trainer.prototypes import fit_prototypes, window_scores
from trainer.randomness import derived_seed, torch_generator
from trainer.recipe import FolderSound, GenerativeSettings, ModelSettings, Recipe
from trainer.run_folder import RunFolder
from trainer.simulated_sound import simulated_sound
from trainer.sound import MachineSound, Recording, TrainingSound


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a run, as `summary.json` holds it; times in seconds."""

    bundle: str
    bundle_sha256: str
    bundle_bytes: int
    generative_steps: int
    generative_loss: float
    seconds: dict[str, float]
    machines: dict[str, dict[str, float | int]]


class Rebuild:
    """The stages of one recipe, in one run folder."""

    def __init__(
        self, recipe: Recipe, recipe_text: str, folder: RunFolder, data: Path | None, console: Console
    ) -> None:
        self._recipe = recipe
        self._recipe_text = recipe_text
        self._folder = folder
        self._data = data
        self._progress = StageProgress(console)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._seconds: dict[str, float] = {}

    def run(self, *, resume: bool) -> RunSummary:
        """All stages. Raises AsdstreamError of some kind for everything that a user can mend."""
        recipe = self._recipe
        sound = self._sound()
        self._check_held_out(sound)
        self._folder.open(resume=resume)
        encoder, steps, loss = self._generative(sound, resume=resume)
        with self._timed("prototypes and calibration"):
            with tempfile.TemporaryDirectory() as scratch:
                embedder = RecordingEmbedder(
                    export_encoder(Path(scratch) / "encoder", recipe, encoder), threads=torch.get_num_threads()
                )
            machine_types, figures = self._machine_types(sound, embedder)
        bundle = export_bundle(self._folder.bundle, recipe, encoder, machine_types)
        summary = RunSummary(
            bundle=str(bundle.path),
            bundle_sha256=bundle.sha256,
            bundle_bytes=sum(path.stat().st_size for path in bundle.path.rglob("*") if path.is_file()),
            generative_steps=steps,
            generative_loss=loss,
            seconds={stage: round(seconds, 1) for stage, seconds in self._seconds.items()},
            machines=figures,
        )
        self._folder.write_json("summary.json", asdict(summary))
        return summary

    def _sound(self) -> TrainingSound:
        settings = self._recipe.sound
        if not isinstance(settings, FolderSound):
            return simulated_sound(settings, self._recipe.seed)
        if self._data is None:
            raise TrainerError(f"the recipe {self._recipe.name} trains on recordings; say where they are with --data")
        return folder_sound(settings, read_catalogue(self._data), self._recipe.seed)

    def _check_held_out(self, sound: TrainingSound) -> None:
        """Say before the training, not after it, that there is too little sound to calibrate with."""
        hop = self._recipe.calibration.hop_seconds
        for machine in sound.machines:
            windows = [1 + int(max(0.0, r.seconds - WINDOW_SECONDS) // hop) for r in machine.held_out]
            looks = sum(independent_looks(count, hop) for count in windows)
            looks += min(len(machine.target), self._recipe.prototypes.target)
            if looks < MIN_LOOKS:
                raise TrainerError(
                    f"{looks * WINDOW_SECONDS:.0f} s of {machine.machine} are held out for the calibration, which "
                    f"needs {MIN_LOOKS * WINDOW_SECONDS:.0f} s; hold out more (held_out in the recipe)"
                )

    def _generative(self, sound: TrainingSound, *, resume: bool) -> tuple[AudioMAE, int, float]:
        settings = self._recipe.generative or GenerativeSettings()
        fingerprint = data_fingerprint(sound.all)
        model = masked_model(self._recipe.model, self._recipe.seed)
        recordings = sound.generative
        cache = FrontEndCache(recordings, model.front_end, int(self._recipe.sound.cache_gib * 2**30))
        objective = GenerativeObjective(model, cache, recordings, settings)
        model.to(self._device)
        loop = TrainingLoop(
            objective,
            LoopSettings(
                seed=self._recipe.seed,
                epochs=settings.epochs,
                warmup_epochs=settings.warmup_epochs,
                batch_size=settings.batch_size,
                micro_batch=settings.micro_batch,
                learning_rate=settings.learning_rate,
                minimum_learning_rate=settings.minimum_learning_rate,
                weight_decay=settings.weight_decay,
                gradient_clip=settings.gradient_clip,
                checkpoint_seconds=60.0 * settings.checkpoint_minutes,
            ),
            checkpoint=self._folder.checkpoint(objective.stage),
            fingerprint=training_fingerprint(self._recipe, recordings),
            log=self._folder.metrics,
            device=self._device,
        )
        done = loop.resume() if resume else 0
        self._folder.describe(
            self._recipe_text,
            {
                "fingerprint": fingerprint,
                "recordings": len(sound.all),
                "hours": round(sum(recording.seconds for recording in sound.all) / 3600, 3),
                "machines": [machine.machine for machine in sound.machines],
            },
        )
        if done < loop.steps:
            with self._timed("front end"), self._progress.counting("front end", len(recordings)) as counter:
                cache.fill(on_recording=counter.advance)
            with self._timed("generative"), self._progress.counting("generative", loop.steps) as counter:
                counter.start_at(done)
                loop.run(lambda step: counter.advance(1, _note(step), step.examples))
        self._draw(model.eval(), objective)
        return model.encoder().cpu().eval(), loop.steps, self._last_loss(objective.stage, loop.steps_per_epoch)

    def _last_loss(self, stage: str, steps: int) -> float:
        """Mean loss of the last `steps` steps."""
        losses = [float(line["loss"] or 0.0) for line in self._folder.metrics.read(stage)[-steps:]]
        return float(np.mean(losses)) if losses else float("nan")

    def _draw(self, model: MaskedAudioMAE, objective: GenerativeObjective) -> None:
        draw_losses(self._folder.picture("loss"), self._folder.metrics, objective.stage)
        batch = objective.draw([0], torch_generator(self._recipe.seed, "picture"))
        with torch.inference_mode():
            drawn = objective.reconstruct(*(value.to(self._device) for value in batch))
        config = model.config
        draw_reconstruction(self._folder.picture("reconstruction"), drawn, config.times, config.bands, config.patch)

    def _machine_types(
        self, sound: TrainingSound, embedder: RecordingEmbedder
    ) -> tuple[dict[str, MachineType], dict[str, dict[str, float | int]]]:
        total = sum(len(m.source) + len(m.target) + len(m.held_out) for m in sound.machines)
        machine_types: dict[str, MachineType] = {}
        figures: dict[str, dict[str, float | int]] = {}
        with self._progress.counting("prototypes and calibration", total) as counter:
            for machine in sound.machines:
                machine_types[machine.machine], figures[machine.machine] = self._machine_type(
                    machine, embedder, counter.advance
                )
        return machine_types, figures

    def _machine_type(
        self, machine: MachineSound, embedder: RecordingEmbedder, on_recording: Callable[[], None]
    ) -> tuple[MachineType, dict[str, float | int]]:
        prototypes, calibration = self._recipe.prototypes, self._recipe.calibration
        target = machine.target[: prototypes.target]
        source_vectors = embedder.embed(machine.source, prototypes.hop_seconds, on_recording)
        target_vectors = embedder.embed(target, WINDOW_SECONDS, on_recording)
        held_out = embedder.embed(machine.held_out, calibration.hop_seconds, on_recording)
        seed = derived_seed(self._recipe.seed, "centroids", machine.machine)
        fitted = fit_prototypes(source_vectors, target_vectors, prototypes.source, seed)
        tail = calibrate(fitted, held_out, target_vectors, calibration.hop_seconds)
        seen = np.concatenate([window_scores(fitted, vectors) for vectors in source_vectors])
        return MachineType(fitted, tail.to_dict()), {
            "source_recordings": len(machine.source),
            "target_recordings": len(target),
            "held_out_recordings": len(machine.held_out),
            "median_score_of_prototype_recordings": float(np.median(seen)),
            "median_score_of_held_out": tail.median,
            "largest_score_of_held_out": tail.largest,
            "independent_windows_of_held_out": round(tail.looks, 1),
        }

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - began


def masked_model(settings: ModelSettings, seed: int) -> MaskedAudioMAE:
    """An untrained masked autoencoder whose first weights depend on `seed` alone."""
    config = AudioMAEConfig.tiny() if settings.size == "tiny" else AudioMAEConfig.base()
    torch.manual_seed(derived_seed(seed, "first weights"))
    decoder = settings.decoder
    return MaskedAudioMAE(config, DecoderConfig(decoder.embed_dim, decoder.depth, decoder.heads))


def training_fingerprint(recipe: Recipe, recordings: Sequence[Recording]) -> str:
    """What the generative stage depends on: another learning rate is another run, another calibration is not."""
    settings = recipe.model_dump(mode="json", include={"seed", "model", "generative"})
    for key in ("checkpoint_minutes", "micro_batch"):
        del settings["generative"][key]
    text = json.dumps(settings, sort_keys=True) + data_fingerprint(recordings)
    return hashlib.sha256(text.encode()).hexdigest()


def _note(step: Step) -> str:
    return f"epoch {step.epoch}/{step.epochs}  loss {step.loss:.4f}"
