"""Device, precision and threads are chosen, not left to chance."""

import os

import pytest
import torch

from asdstream.engine import device
from asdstream.engine.errors import DeviceLostError, EngineError


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


class OnLostDevice:
    placement = device.Placement(torch.device("cuda:1"), torch.bfloat16, 1)

    @device.names_lost_device
    def embed(self, error: Exception | None) -> str:
        if error is not None:
            raise error
        return "embedded"


def test_a_device_that_is_lost_is_named_in_one_line_that_says_what_to_do() -> None:
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")
    with pytest.raises(DeviceLostError, match=r"cuda:1 can no longer be used.*started anew: CUDA error") as caught:
        OnLostDevice().embed(lost)
    assert "\n" not in str(caught.value)
    assert OnLostDevice().embed(None) == "embedded"
    with pytest.raises(RuntimeError, match="shapes"):
        OnLostDevice().embed(RuntimeError("shapes differ"))
