"""A device that runs out of memory gets smaller batches, and all windows are embedded all the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from asdstream import bundle as bundles
from asdstream.engine.device import choose
from asdstream.engine.encoders import Encoders
from asdstream.engine.errors import EngineError
from asdstream.engine.memory import FittingBatches

CPU = torch.device("cpu")


class SmallDevice:
    """Has memory for `room` windows at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def compute(self, part: slice) -> list[int]:
        windows = list(range(part.start, part.stop))
        self.tried.append(len(windows))
        if len(windows) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return windows


def test_the_batch_is_halved_until_it_fits_and_stays_so() -> None:
    batches, device = FittingBatches(8, CPU), SmallDevice(room=3)
    with capture_logs() as logs:
        results = batches.run(11, device.compute)
    assert [window for part in results for window in part] == list(range(11))
    assert device.tried == [8, 4, 2, 2, 2, 2, 2, 1]
    assert [entry["largest"] for entry in logs if entry["event"] == "batch_halved"] == [4, 2]
    device.tried.clear()
    batches.run(4, device.compute)
    assert device.tried == [2, 2]


def test_what_was_computed_before_memory_ran_out_is_kept() -> None:
    batches, device = FittingBatches(4, CPU), SmallDevice(room=4)

    def compute(part: slice) -> list[int]:
        if part.start == 4:
            device.room = 1
        return device.compute(part)

    assert batches.run(8, compute) == [[0, 1, 2, 3], [4], [5], [6], [7]]


def test_a_single_window_without_memory_is_an_error_that_says_so() -> None:
    with pytest.raises(EngineError, match="no memory for one window alone"):
        FittingBatches(8, CPU).run(8, SmallDevice(room=0).compute)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def fail(_part: slice) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        FittingBatches(8, CPU).run(8, fail)
    with pytest.raises(EngineError, match="at least 1"):
        FittingBatches(0, CPU)


def test_encoders_without_memory_for_a_batch_give_the_same_embeddings_in_smaller_ones(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoders = Encoders(bundles.load(small_bundle), choose("cpu", "float32", 1), max_batch=8)
    (frames,) = {end.frames for end in encoders.front_ends}
    spectrograms = [torch.randn(5, frames or 998, 128, generator=torch.Generator().manual_seed(0))]
    expected = encoders.embed(spectrograms)
    forward, sizes = encoders._forward, []

    def short_of_memory(given: Sequence[Tensor]) -> list[Tensor]:
        sizes.append(len(given[0]))
        if len(given[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(given)

    monkeypatch.setattr(encoders, "_forward", short_of_memory)
    found = encoders.embed(spectrograms)
    assert sizes == [5, 2, 2, 1]
    for branch, rows in expected.items():
        np.testing.assert_allclose(found[branch], rows, atol=1e-5)
