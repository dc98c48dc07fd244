"""The examples of a training run, drawn ahead of time in worker processes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from asdstream.errors import AsdstreamError
from trainer.errors import DataError, TrainerError
from trainer.processes import Processes
from trainer.randomness import torch_generator

Examples = tuple[Tensor, ...]
"""Stacked examples: the first dimension of each tensor runs over them."""


class ExampleSource(Protocol):
    """Where examples come from."""

    @property
    def stage(self) -> str:
        """Name of the stage, which goes into the random seeds."""

    @property
    def examples(self) -> int:
        """How many examples make one epoch."""

    def example(self, index: int, generator: torch.Generator) -> Examples:
        """One example, of 0 to `examples`, without a batch dimension; all that is random comes from `generator`."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Example `index`, drawn for place `place` in the batch of optimiser step `step`."""

    step: int
    place: int
    index: int


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """Which example stands where: a new random order in every epoch, cut into batches; the last one may be smaller.

    It depends on the seed and the stage alone, not on the number of workers or processes.
    """

    seed: int
    stage: str
    examples: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.examples / self.batch_size)

    def batches(self, first: int, end: int) -> Iterator[list[Draw]]:
        """The batches of the steps from `first` to `end`, exclusively."""
        epoch, order = -1, torch.empty(0)
        for step in range(first, end):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = torch.randperm(self.examples, generator=torch_generator(self.seed, self.stage, "order", epoch))
            begin = step % self.steps_per_epoch * self.batch_size
            indices = order[begin : begin + self.batch_size].tolist()
            yield [Draw(step, place, index) for place, index in enumerate(indices)]


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a worker has to tell the user; an exception raised there would arrive wrapped in a traceback."""

    sentence: str


class _DrawnExamples(Dataset[Examples | _Failure]):
    def __init__(self, source: ExampleSource, seed: int) -> None:
        self._source = source
        self._seed = seed

    def __getitem__(self, draw: Draw) -> Examples | _Failure:
        generator = torch_generator(self._seed, self._source.stage, "draw", draw.step, draw.place)
        try:
            return self._source.example(draw.index, generator)
        except AsdstreamError as error:
            return _Failure(str(error))


def _stacked(drawn: Sequence[Examples | _Failure]) -> Examples | _Failure:
    for example in drawn:
        if isinstance(example, _Failure):
            return example
    return tuple(default_collate(list(drawn)))


class StepExamples:
    """The examples of one step that this process takes, in portions as they come.

    Going through them again gives the same ones, since a step may have to be taken again.
    """

    def __init__(self, step: int, batch_size: int, places: Sequence[int], coming: Iterator[Any]) -> None:
        self.step = step
        self.batch_size = batch_size
        self._places = places
        self._coming = coming
        self._kept: list[Examples] = []

    def __iter__(self) -> Iterator[tuple[int, Examples]]:
        """Place in the batch of a portion's first example, and the portion. Raises DataError for sound that fails."""
        for number, place in enumerate(self._places):
            if number == len(self._kept):
                portion = next(self._coming)
                if isinstance(portion, _Failure):
                    raise DataError(portion.sentence)
                self._kept.append(portion)
            yield place, self._kept[number]


@dataclass(frozen=True, slots=True)
class _Plan:
    """This process's share of every batch from step `first` to `end`, in portions of at most `size` examples."""

    order: BatchOrder
    processes: Processes
    first: int
    end: int
    size: int

    def __iter__(self) -> Iterator[list[Draw]]:
        for batch in self.batches():
            yield from self.portions(batch)

    def batches(self) -> Iterator[list[Draw]]:
        return self.order.batches(self.first, self.end)

    def portions(self, batch: list[Draw]) -> list[list[Draw]]:
        share = self.processes.share(len(batch))
        return [batch[at : min(at + self.size, share.stop)] for at in range(share.start, share.stop, self.size)]


class Feed:
    """The batches of the steps from `first` to `end`, in order; a context manager that leaves no worker behind.

    The workers (0: this process) deliver portions of `portion` examples rather than whole batches: a batch of 512
    waveforms is 330 MB, which as shared memory for several steps ahead is more than a container often has.
    """

    def __init__(
        self,
        source: ExampleSource,
        order: BatchOrder,
        *,
        first: int,
        end: int,
        portion: int,
        workers: int,
        processes: Processes,
    ) -> None:
        self._plan = _Plan(order, processes, first, end, portion)
        self._coming = iter(
            DataLoader(
                _DrawnExamples(source, order.seed),
                batch_sampler=self._plan,
                num_workers=workers,
                collate_fn=_stacked,
                pin_memory=processes.device.type == "cuda",
                # What the source holds, a network among it, then needs no pickling; workers touch no GPU.
                multiprocessing_context="fork" if workers else None,
                generator=torch.Generator(),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # A traceback that is still held would keep the loader, and its workers, alive.
        shut_down = getattr(self._coming, "_shutdown_workers", None)
        if shut_down is not None:
            shut_down()
        if isinstance(error, RuntimeError) and "DataLoader worker (pid" in str(error):
            raise TrainerError(
                "a worker that prepares training sound was ended from outside, perhaps for want of memory; "
                "ask for fewer workers"
            ) from error

    def __iter__(self) -> Iterator[StepExamples]:
        for batch in self._plan.batches():
            places = [portion[0].place for portion in self._plan.portions(batch)]
            yield StepExamples(batch[0].step, len(batch), places, self._coming)
