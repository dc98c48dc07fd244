"""The training loop that every stage shares: AdamW, warm-up and half-cycle cosine, accumulation, exact resume."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from asdstream.engine.memory import is_out_of_memory
from asdstream.errors import AsdstreamError
from trainer.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.curves import Curves
from trainer.errors import TrainerError
from trainer.feed import BatchOrder, Examples, ExampleSource, Feed, StepExamples
from trainer.metrics_log import MetricsLog
from trainer.processes import Processes
from trainer.randomness import derived_seed
from trainer.schedule import learning_rate

ADAM_BETAS = (0.9, 0.999)

Precision = Literal["float32", "bfloat16"]
"""Of the products in the forward pass; weights, optimiser and loss are float32 either way."""


class Objective(ExampleSource, Protocol):
    """What a stage asks of the loop to make small.

    `example` runs in worker processes and returns tensors on the CPU; whatever a device can do faster belongs into
    `loss`.
    """

    @property
    def module(self) -> nn.Module:
        """What is trained; parameters that need no gradient stay as they are."""

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean loss, a float32 scalar, over stacked examples (B, ...) on the module's device."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How long and how fast. Warm-up and cosine are counted in optimiser steps; rates are per step.

    `batch_size` is that of all processes together, `micro_batch` and `workers` are each process's own.
    """

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
    workers: int = 2
    precision: Precision = "float32"


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

    The random numbers of an example come from the seed, the step and the place in its batch, those of dropout from
    the seed, the step and the place where the micro-batch begins. A run that was killed and resumed thus ends with the
    same weights, bit for bit, as one that was not, whatever the number of workers; several processes differ from one
    only in the order of a sum. The first process alone writes files and is heard of.

    Args:
        objective: what to train; its module is moved to the device.
        settings: how.
        checkpoint: where the state is kept.
        fingerprint: tells this recipe and data apart from others.
        log: takes a line for every step.
        tensorboard: folder for curves of loss, learning rate, gradient norm and speed.
        processes: those that train together; this one on the CPU where left out.
        clock: seconds, for the rate and for the next checkpoint.

    Raises:
        TrainerError: there is nothing to train on.
    """

    def __init__(
        self,
        objective: Objective,
        settings: LoopSettings,
        *,
        checkpoint: Path,
        fingerprint: str,
        log: MetricsLog,
        tensorboard: Path | None = None,
        processes: Processes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if objective.examples < 1:
            raise TrainerError(f"the stage {objective.stage} has nothing to train on; it needs at least one recording")
        self._objective = objective
        self._settings = settings
        self._path = checkpoint
        self._fingerprint = fingerprint
        self._log = log
        self._tensorboard = tensorboard
        self._processes = processes or Processes()
        self._device = self._processes.device
        self._clock = clock
        objective.module.to(self._device)
        self._parameters = [value for value in objective.module.parameters() if value.requires_grad]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, betas=ADAM_BETAS, weight_decay=settings.weight_decay
        )
        self._order = BatchOrder(settings.seed, objective.stage, objective.examples, settings.batch_size)
        self._micro_batch = settings.micro_batch
        self._step = 0

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return self._order.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self._settings.epochs * self.steps_per_epoch

    def resume(self) -> int:
        """Go back to the last checkpoint, if there is one; returns the number of steps done.

        Raises TrainerError for a checkpoint of another recipe, other data or another network; nothing is loaded then.
        """
        if self._path.exists():
            saved = load_checkpoint(self._path, self._fingerprint)
            if _shapes(saved.model) != _shapes(self._changing_state()):
                raise TrainerError(
                    f"the checkpoint {self._path} is of another version's network; delete it to start afresh"
                )
            self._objective.module.load_state_dict(self._objective.module.state_dict() | saved.model)
            self._optimiser.load_state_dict(saved.optimiser)
            self._step = saved.step
            if saved.asked_micro_batch == self._settings.micro_batch:
                self._micro_batch = saved.micro_batch
        if self._processes.is_first:
            self._log.forget_after(self._objective.stage, self._step)
        return self._step

    def run(
        self, on_step: Callable[[Step], None] | None = None, on_note: Callable[[str], None] = lambda _: None
    ) -> None:
        """Train to the end.

        Args:
            on_step: hears of every step, in the first process.
            on_note: hears of what a user should know, in the first process: that the memory was too small.

        Raises:
            TrainerError: a loss or gradient that is not finite, too little memory, or a worker that died.
            DataError: sound that cannot be read.
        """
        self._start_alike()
        self._objective.module.train()
        with ExitStack() as stack:
            feed = stack.enter_context(self._feed())
            curves = None
            if self._tensorboard is not None and self._processes.is_first:
                curves = stack.enter_context(Curves(self._tensorboard, self._step))
            saved_at = self._clock()
            for batch in feed:
                began = self._clock()
                rate = self._rate()
                loss, norm = self._optimise(batch, rate, on_note)
                self._step += 1
                if not self._processes.is_first:
                    continue
                self._record(curves, batch, loss, rate, norm, self._clock() - began)
                if self._step == self.steps or self._clock() - saved_at >= self._settings.checkpoint_seconds:
                    self._save()
                    saved_at = self._clock()
                if on_step is not None:
                    epochs = self._settings.epochs
                    on_step(Step(self._step, self.steps, self._epoch, epochs, batch.batch_size, loss))
        self._objective.module.eval()
        # The others may go on to read what the first one has written.
        self._processes.wait()

    @property
    def _epoch(self) -> int:
        """Of the last step, counted from 1."""
        return (self._step - 1) // self.steps_per_epoch + 1

    def _feed(self) -> Feed:
        return Feed(
            self._objective,
            self._order,
            first=self._step,
            end=self.steps,
            portion=self._settings.micro_batch,
            workers=self._settings.workers,
            processes=self._processes,
        )

    def _rate(self) -> float:
        return learning_rate(
            self._step,
            steps=self.steps,
            warmup_steps=self._settings.warmup_epochs * self.steps_per_epoch,
            base=self._settings.learning_rate,
            minimum=self._settings.minimum_learning_rate,
        )

    def _record(
        self, curves: Curves | None, batch: StepExamples, loss: float, rate: float, norm: float, seconds: float
    ) -> None:
        figures = {"loss": loss, "learning_rate": rate, "gradient_norm": norm}
        if seconds > 0:
            figures["examples_per_second"] = batch.batch_size / seconds
        self._log.write(
            stage=self._objective.stage, step=self._step, epoch=self._epoch, micro_batch=self._micro_batch, **figures
        )
        if curves is not None:
            curves.write(self._step, **figures)

    def _start_alike(self) -> None:
        if self._processes.sum([self._step])[0] != self._step * self._processes.count:
            raise TrainerError(
                f"the processes go on from different steps; {self._path} must lie on a disk that all of them see"
            )
        module = self._objective.module
        self._processes.copy_from_first([*module.parameters(), *module.buffers()])

    def _optimise(self, batch: StepExamples, rate: float, on_note: Callable[[str], None]) -> tuple[float, float]:
        """Take one step; returns the loss and the norm of the gradient before it was clipped."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        total = self._accumulate(batch, on_note)
        if not math.isfinite(total):
            raise TrainerError(
                f"the loss of the stage {self._objective.stage} is {total} at step {self._step + 1}; "
                "a smaller learning_rate may help"
            )
        try:
            self._processes.sum_gradients(self._parameters)
            norm = float(nn.utils.clip_grad_norm_(self._parameters, self._settings.gradient_clip))
            # Weights that are not numbers would be found out by the next loss, after they may have been saved.
            if not math.isfinite(norm):
                raise TrainerError(
                    f"the gradient of the stage {self._objective.stage} is {norm} at step {self._step + 1}; "
                    "a smaller learning_rate may help"
                )
            self._optimiser.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise TrainerError(
                f"the memory of {self._device} does not hold the weights of the stage {self._objective.stage} and "
                "their AdamW state; choose a smaller network or a larger device"
            ) from error
        self._processes.copy_from_first(self._objective.module.buffers())
        return total, norm

    def _accumulate(self, batch: StepExamples, on_note: Callable[[str], None]) -> float:
        """Gradients of the mean loss over the batch, with as many examples at once as the memory holds."""
        buffers = [(buffer, buffer.clone()) for buffer in self._objective.module.buffers()]
        while True:
            self._optimiser.zero_grad(set_to_none=True)
            # Read once a step: asking a GPU for a number waits until it has done everything before.
            loss = torch.zeros((), dtype=torch.float64, device=self._device)
            full, failure = False, None
            try:
                for place, portion in batch:
                    for start in range(0, len(portion[0]), self._micro_batch):
                        part = tuple(value[start : start + self._micro_batch] for value in portion)
                        loss += self._backward(part, batch, place + start)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                full = True
            except AsdstreamError as error:
                failure = error
            # One process alone must not leave the step: the others would wait for it.
            total, full_somewhere, failed_somewhere = self._processes.sum(
                [float(loss), float(full), float(failure is not None)]
            )
            if failure is not None:
                raise failure
            if failed_somewhere:
                raise TrainerError("another process of this training failed; its own message says why")
            if not full_somewhere:
                return total
            self._halve(on_note)
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)

    def _backward(self, part: Examples, batch: StepExamples, place: int) -> Tensor:
        """Add a micro-batch's share to the gradients; returns its share of the loss, a scalar on the device."""
        # Dropout draws from torch's global generators.
        torch.manual_seed(derived_seed(self._settings.seed, self._objective.stage, "dropout", batch.step, place))
        on_device = [value.to(self._device, non_blocking=True) for value in part]
        bfloat16 = self._settings.precision == "bfloat16"
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=bfloat16):
            loss = self._objective.loss(*on_device)
        loss = loss * (len(part[0]) / batch.batch_size)
        loss.backward()
        return loss.detach()

    def _halve(self, on_note: Callable[[str], None]) -> None:
        stage, micro_batch = self._objective.stage, self._micro_batch
        if micro_batch == 1:
            raise TrainerError(
                f"the memory of {self._device} does not hold one example of the stage {stage}; "
                "choose a smaller network or a larger device"
            )
        self._micro_batch = micro_batch // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if self._processes.is_first:
            on_note(
                f"{stage}: out of memory at step {self._step + 1} with a micro-batch of {micro_batch}; "
                f"going on with {self._micro_batch}"
            )

    def _save(self) -> None:
        save_checkpoint(
            self._path,
            Checkpoint(
                step=self._step,
                fingerprint=self._fingerprint,
                model=self._changing_state(),
                optimiser=self._optimiser.state_dict(),
                micro_batch=self._micro_batch,
                asked_micro_batch=self._settings.micro_batch,
            ),
        )

    def _changing_state(self) -> dict[str, Tensor]:
        module = self._objective.module
        frozen = {name for name, value in module.named_parameters(remove_duplicate=False) if not value.requires_grad}
        return {name: value for name, value in module.state_dict().items() if name not in frozen}


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}
