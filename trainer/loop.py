"""The training loop that every stage shares: AdamW, warm-up and half-cycle cosine, accumulation, exact resume."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from trainer.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.errors import TrainerError
from trainer.metrics_log import MetricsLog
from trainer.randomness import derived_seed, torch_generator
from trainer.schedule import learning_rate

ADAM_BETAS = (0.9, 0.999)


class Objective(Protocol):
    """What a stage asks of the loop to make small."""

    @property
    def stage(self) -> str:
        """Name of the stage, in the log and in the random seeds."""

    @property
    def examples(self) -> int:
        """How many examples make one epoch."""

    @property
    def module(self) -> nn.Module:
        """What is trained; parameters that need no gradient stay as they are."""

    def draw(self, indices: list[int], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Everything random about a batch: tensors whose first dimension runs over `indices`."""

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean loss (a scalar) over a slice of what `draw` gave."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How long and how fast. Warm-up and cosine are counted in optimiser steps; rates are per step."""

    seed: int
    epochs: int
    warmup_epochs: int
    batch_size: int
    micro_batch: int
    learning_rate: float
    minimum_learning_rate: float
    weight_decay: float
    gradient_clip: float
    checkpoint_seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step as it ended; `loss` is the mean over its examples."""

    step: int
    steps: int
    epoch: int
    epochs: int
    examples: int
    loss: float


class TrainingLoop:
    """Trains an objective and keeps its state on disk.

    The random numbers of a step come from the seed and the step's number, so a run that was killed and resumed ends
    with the same weights, bit for bit, as one that was not.
    """

    def __init__(
        self,
        objective: Objective,
        settings: LoopSettings,
        *,
        checkpoint: Path,
        fingerprint: str,
        log: MetricsLog,
        device: torch.device | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if objective.examples < 1:
            raise TrainerError(f"the stage {objective.stage} has nothing to train on; it needs at least one recording")
        self._objective = objective
        self._settings = settings
        self._path = checkpoint
        self._fingerprint = fingerprint
        self._log = log
        self._device = device or torch.device("cpu")
        self._clock = clock
        self._parameters = [value for value in objective.module.parameters() if value.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, betas=ADAM_BETAS, weight_decay=settings.weight_decay
        )
        self.steps_per_epoch = math.ceil(objective.examples / settings.batch_size)
        self._step = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self._settings.epochs * self.steps_per_epoch

    def resume(self) -> int:
        """Go back to the last checkpoint, if there is one; returns the number of steps done.

        Raises TrainerError for a checkpoint of another recipe or other data.
        """
        if self._path.exists():
            saved = load_checkpoint(self._path, self._fingerprint)
            self._objective.module.load_state_dict(saved.model)
            self._optimiser.load_state_dict(saved.optimiser)
            self._step = saved.step
        self._log.forget_after(self._objective.stage, self._step)
        return self._step

    def run(self, on_step: Callable[[Step], None] | None = None) -> None:
        """Train to the end; `on_step` hears of every step. Raises TrainerError for a loss that is not finite."""
        settings = self._settings
        self._objective.module.train()
        saved_at = self._clock()
        while self._step < self.steps:
            began = self._clock()
            epoch, place = divmod(self._step, self.steps_per_epoch)
            indices = self._indices(epoch, place)
            rate = learning_rate(
                self._step,
                steps=self.steps,
                warmup_steps=settings.warmup_epochs * self.steps_per_epoch,
                base=settings.learning_rate,
                minimum=settings.minimum_learning_rate,
            )
            loss, norm = self._optimise(indices, rate)
            self._step += 1
            seconds = self._clock() - began
            self._log.write(
                stage=self._objective.stage,
                step=self._step,
                epoch=epoch + 1,
                loss=loss,
                learning_rate=rate,
                gradient_norm=norm,
                examples_per_second=len(indices) / seconds if seconds > 0 else None,
            )
            last = self._step == self.steps
            if last or self._clock() - saved_at >= settings.checkpoint_seconds:
                self._save()
                saved_at = self._clock()
            if on_step is not None:
                on_step(Step(self._step, self.steps, epoch + 1, settings.epochs, len(indices), loss))
        self._objective.module.eval()

    def _indices(self, epoch: int, place: int) -> list[int]:
        generator = torch_generator(self._settings.seed, self._objective.stage, "order", epoch)
        order = torch.randperm(self._objective.examples, generator=generator)
        size = self._settings.batch_size
        return [int(index) for index in order[place * size : (place + 1) * size]]

    def _optimise(self, indices: list[int], rate: float) -> tuple[float, float]:
        settings, stage = self._settings, self._objective.stage
        # Dropout draws from torch's global generator.
        torch.manual_seed(derived_seed(settings.seed, stage, "dropout", self._step))
        batch = self._objective.draw(indices, torch_generator(settings.seed, stage, "draw", self._step))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for start in range(0, len(indices), settings.micro_batch):
            part = tuple(value[start : start + settings.micro_batch].to(self._device) for value in batch)
            share = part[0].shape[0] / len(indices)
            loss = self._objective.loss(*part) * share
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise TrainerError(
                f"the loss of the stage {stage} is {total} at step {self._step + 1}; a smaller learning_rate may help"
            )
        norm = float(nn.utils.clip_grad_norm_(self._parameters, settings.gradient_clip))
        self._optimiser.step()
        return total, norm

    def _save(self) -> None:
        save_checkpoint(
            self._path,
            Checkpoint(
                step=self._step,
                fingerprint=self._fingerprint,
                model=self._objective.module.state_dict(),
                optimiser=self._optimiser.state_dict(),
            ),
        )
