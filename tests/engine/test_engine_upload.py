"""Arrays reach the device whole."""

import numpy as np
import pytest
import torch

from asdstream.engine.upload import upload


def test_on_the_cpu_nothing_is_copied() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    sent = upload(array, torch.device("cpu"))
    array[0, 0] = 9.0
    assert sent[0, 0] == 9.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_what_is_computed_on_a_gpu_waits_for_its_copy() -> None:
    device = torch.device("cuda")
    arrays = [np.random.default_rng(seed).normal(size=(64, 160_000)).astype(np.float32) for seed in range(4)]
    sums = [upload(array, device).double().sum() for array in arrays]
    for array, found in zip(arrays, sums, strict=True):
        assert float(found) == pytest.approx(float(array.sum(dtype=np.float64)), rel=1e-6)
