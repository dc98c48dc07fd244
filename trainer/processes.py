"""The processes that train together, one on each device, as torchrun starts them."""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

CPU = torch.device("cpu")
LONGEST_WAIT = timedelta(days=1)
"""The others wait while the first one decodes or renders the training sound; torchrun ends them if it dies."""


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among `count`, each of which takes its share of every batch on its own `device`.

    Gradients are summed in plain sight after a step's last backward pass rather than by DistributedDataParallel: its
    mean over processes is the mean over examples only where all have the same number of them, and it stalls where
    they differ in micro-batches or in the parameters that they used. Little time is lost, once per optimiser step.
    """

    index: int = 0
    count: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and speaks to the user."""
        return self.index == 0

    def share(self, batch: int) -> range:
        """Places in a batch of that size which this process takes; the first process has one in every batch."""
        return range(math.ceil(batch * self.index / self.count), math.ceil(batch * (self.index + 1) / self.count))

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients in place; a parameter that no process used keeps None, as it would in a single process."""
        if self.count == 1:
            return
        used = self.sum([0.0 if parameter.grad is None else 1.0 for parameter in parameters])
        under_way = []
        for parameter, users in zip(parameters, used, strict=True):
            if not users:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            under_way.append(dist.all_reduce(parameter.grad, async_op=True))
        for work in under_way:
            work.wait()

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors in place by those of the first process."""
        if self.count == 1:
            return
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)

    def wait(self) -> None:
        """Go on when all have come here."""
        self.sum([0.0])


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """This process among those that torchrun started, over NCCL on GPUs and gloo on CPUs; or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return
    from accelerate import PartialState

    on_gpu = torch.cuda.is_available()
    state = PartialState(cpu=not on_gpu, backend="nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT)
    try:
        yield Processes(state.process_index, state.num_processes, state.device)
    finally:
        state.destroy_process_group()
