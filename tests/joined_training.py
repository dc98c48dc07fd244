"""A small training that several processes share; torchrun runs this file, a test compares what comes of it."""

import os
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from trainer.loop import LoopSettings, Step, TrainingLoop
from trainer.metrics_log import MetricsLog
from trainer.processes import Processes, joined_processes


class Uneven(nn.Module):
    """A layer for odd examples alone, one for none, dropout, and a buffer that changes."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.common = nn.Linear(3, 4)
        self.odd = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 4)
        self.last = nn.Linear(4, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, inputs: Tensor, index: Tensor) -> Tensor:
        self.seen += len(inputs)
        hidden = nn.functional.dropout(self.common(inputs), 0.3, self.training)
        if bool((index % 2 == 1).any()):
            hidden = hidden + self.odd(hidden) * (index % 2)[:, None]
        answer: Tensor = self.last(hidden)
        return answer


class UnevenObjective:
    """Nine examples, so that the last batch of an epoch is one that a single process takes."""

    stage = "joined"
    examples = 9

    def __init__(self, processes: Processes) -> None:
        # The processes begin with different weights; those of the first one hold.
        torch.manual_seed(processes.index)
        self.module: nn.Module = Uneven()
        self._processes = processes

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return torch.randn(3, generator=generator) + index, torch.tensor(float(index))

    def loss(self, *batch: Tensor) -> Tensor:
        inputs, index = batch
        if self._processes.index == 1 and len(inputs) > 1:
            raise torch.OutOfMemoryError("out of memory in the second process alone")
        return (self.module(inputs, index)[:, 0] - inputs.sum(1)).square().mean()


def joined_loop(processes: Processes, folder: Path, micro_batch: int) -> tuple[UnevenObjective, TrainingLoop]:
    objective = UnevenObjective(processes)
    settings = LoopSettings(
        seed=5,
        epochs=2,
        warmup_epochs=0,
        batch_size=4,
        micro_batch=micro_batch,
        learning_rate=1e-2,
        minimum_learning_rate=1e-4,
        weight_decay=0.1,
        gradient_clip=1.0,
        checkpoint_seconds=0.0,
        workers=0,
    )
    return objective, TrainingLoop(
        objective,
        settings,
        checkpoint=folder / "joined.pt",
        fingerprint="joined",
        log=MetricsLog(folder / "metrics.jsonl"),
        tensorboard=folder / "tensorboard",
        processes=processes,
    )


def main() -> None:
    folder, killed_at = Path(sys.argv[1]), int(sys.argv[2])

    def on_step(step: Step) -> None:
        if step.step == killed_at:
            os._exit(9)

    with joined_processes() as processes:
        objective, loop = joined_loop(processes, folder, micro_batch=2)
        loop.resume()
        loop.run(on_step, lambda note: print(note, flush=True))  # noqa: T201
        torch.save(objective.module.state_dict(), folder / f"weights{processes.index}.pt")


if __name__ == "__main__":
    main()
