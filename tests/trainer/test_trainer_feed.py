"""Examples drawn in worker processes: the same whatever their number, and no trouble that a user cannot read."""

import multiprocessing
import os
import signal

import pytest
import torch
from torch import Tensor

from asdstream.audio.source import AudioError
from trainer.errors import DataError, TrainerError
from trainer.feed import BatchOrder, Feed
from trainer.processes import Processes


class Source:
    """Ten examples; `trouble` strikes at the seventh that stands in a file."""

    stage = "test"
    examples = 10

    def __init__(self, trouble: str = "") -> None:
        self._trouble = trouble

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        if index == 7 and self._trouble == "sound":
            raise AudioError("fan/07.wav is not a sound file")
        if index == 7 and self._trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 7 and self._trouble == "mistake":
            raise ZeroDivisionError
        threads = torch.get_num_threads()
        return torch.tensor(index), torch.rand(2, generator=generator), torch.tensor([os.getpid(), threads])


ORDER = BatchOrder(seed=1, stage="test", examples=10, batch_size=4)


def feed(
    workers: int, source: Source | None = None, first: int = 0, portion: int = 3, processes: Processes | None = None
) -> Feed:
    return Feed(
        source or Source(),
        ORDER,
        first=first,
        end=6,
        portion=portion,
        workers=workers,
        processes=processes or Processes(),
    )


def drawn(batches: Feed) -> dict[tuple[int, int], tuple[int, list[float]]]:
    """By step and place: which example, and its random numbers."""
    found = {}
    with batches:
        for batch in batches:
            for place, (indices, numbers, _) in batch:
                for offset, (index, random) in enumerate(zip(indices, numbers, strict=True)):
                    found[batch.step, place + offset] = (int(index), random.tolist())
    return found


def test_an_example_is_the_same_whatever_the_workers_the_portions_the_processes_and_the_beginning() -> None:
    alone = drawn(feed(0))
    assert len(alone) == 20
    assert drawn(feed(2)) == alone
    assert drawn(feed(0, portion=1)) == alone
    shares = [drawn(feed(0, processes=Processes(index, 3))) for index in range(3)]
    assert shares[0] | shares[1] | shares[2] == alone
    assert sum(map(len, shares)) == 20
    assert drawn(feed(2, first=4)) == {at: example for at, example in alone.items() if at[0] >= 4}


def test_every_epoch_draws_each_example_once_in_another_order_and_with_other_numbers() -> None:
    examples = list(drawn(feed(0)).values())
    first, second = [index for index, _ in examples[:10]], [index for index, _ in examples[10:]]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert len({tuple(numbers) for _, numbers in examples}) == 20


def test_a_batch_can_be_gone_through_again() -> None:
    with feed(0) as batches:
        batch = next(iter(batches))
        first = [portion for _, portion in batch]
        assert all(a is b for a, (_, b) in zip(first, batch, strict=True))


def test_workers_compute_in_one_thread_each_and_are_gone_at_the_end() -> None:
    with feed(2, portion=1) as batches:
        process = torch.cat([portion[2] for batch in batches for _, portion in batch])
        assert len(multiprocessing.active_children()) <= 2
    assert len(process[:, 0].unique()) == 2
    assert os.getpid() not in process[:, 0]
    assert process[:, 1].tolist() == [1] * 20
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_sound_that_cannot_be_read_is_one_sentence_and_leaves_no_worker(workers: int) -> None:
    with pytest.raises(DataError) as caught:
        drawn(feed(workers, Source("sound")))
    assert str(caught.value) == "fan/07.wav is not a sound file"
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_is_one_sentence() -> None:
    with pytest.raises(TrainerError, match="ended from outside, perhaps for want of memory; ask for fewer workers"):
        drawn(feed(1, Source("killed")))
    assert multiprocessing.active_children() == []


def test_a_mistake_of_the_program_keeps_its_kind() -> None:
    with pytest.raises(ZeroDivisionError):
        drawn(feed(1, Source("mistake")))
    assert multiprocessing.active_children() == []
