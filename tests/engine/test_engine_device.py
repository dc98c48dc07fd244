"""Device, precision and threads are chosen, not left to chance."""

import os

import pytest
import torch

from asdstream.engine import device
from asdstream.engine.errors import EngineError


def test_a_cpu_without_matrix_tiles_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    placement = device.choose("cpu")
    assert placement.dtype == torch.float32
    assert placement.threads == len(os.sched_getaffinity(0))


def test_a_cpu_with_matrix_tiles_computes_in_bfloat16_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert device.choose("cpu").dtype == torch.bfloat16
    assert device.choose("cpu", "float32").dtype == torch.float32


def test_without_cuda_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose().device.type == "cpu"


@pytest.mark.parametrize(
    ("where", "precision", "threads"),
    [
        ("tpu9", "auto", None),
        ("mps", "auto", None),
        ("cuda:99", "auto", None),
        ("cpu", "int3", None),
        ("cpu", "auto", 0),
    ],
)
def test_what_is_not_there_is_refused_with_what_would_be(where: str, precision: str, threads: int | None) -> None:
    with pytest.raises(EngineError, match=r"expected|has|needed"):
        device.choose(where, precision, threads)
