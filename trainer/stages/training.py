"""What the stages that train have in common: one loop, its log, its pictures."""

from collections.abc import Mapping
from typing import Any

import torch

from trainer.errors import TrainerError
from trainer.loop import LoopSettings, Objective, Precision, Step, TrainingLoop
from trainer.pictures import draw_losses
from trainer.recipe import StageSettings
from trainer.stages.run import Run

WITHOUT_EFFECT = ("checkpoint_minutes", "micro_batch", "audiomae_epochs")
"""Settings that change how long a training takes and not what comes of it, or that another has taken up already."""


def train(run: Run, objective: Objective, settings: StageSettings, fingerprint: str) -> int:
    """Train an objective to the end, from its checkpoint if there is one; returns the number of steps.

    The objective's module is then in evaluation mode.
    """
    checkpoint = run.folder.checkpoint(objective.stage)
    loop = TrainingLoop(
        objective,
        LoopSettings(
            seed=run.recipe.seed,
            epochs=settings.epochs,
            warmup_epochs=settings.warmup_epochs,
            batch_size=settings.batch_size,
            micro_batch=settings.micro_batch,
            learning_rate=settings.learning_rate,
            minimum_learning_rate=settings.minimum_learning_rate,
            weight_decay=settings.weight_decay,
            gradient_clip=settings.gradient_clip,
            checkpoint_seconds=60.0 * settings.checkpoint_minutes,
            workers=run.workers,
            precision=precision(settings, run.processes.device),
        ),
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        log=run.folder.metrics,
        tensorboard=run.folder.curves / objective.stage,
        processes=run.processes,
    )
    try:
        done = loop.resume()
    except TrainerError:
        if not run.repeats:
            raise
        run.processes.wait()
        if run.processes.is_first:
            checkpoint.unlink()
        run.processes.wait()
        done = loop.resume()
    with run.progress.counting(objective.stage, loop.steps) as counter:
        counter.start_at(done)
        loop.run(lambda step: counter.advance(1, _note(step), step.examples), on_note=run.progress.note)
    objective.module.eval()
    if run.processes.is_first:
        draw_losses(run.folder.picture(f"loss-{objective.stage}"), run.folder.metrics, objective.stage)
    return loop.steps


def precision(settings: StageSettings, device: torch.device) -> Precision:
    """Of the networks' products on a device."""
    if settings.precision != "auto":
        return settings.precision
    return "bfloat16" if device.type == "cuda" else "float32"


def what_matters(settings: StageSettings) -> Mapping[str, Any]:
    """The settings of a stage that its result depends on, for JSON."""
    return settings.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))


def _note(step: Step) -> str:
    return f"epoch {step.epoch}/{step.epochs}  loss {step.loss:.4f}"
