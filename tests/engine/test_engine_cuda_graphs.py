"""Networks are recorded once per batch size and replayed; what cannot be recorded runs as it is."""

from collections.abc import Sequence

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from asdstream.engine.cuda_graphs import CudaRecorder, Forward, GraphedForward, Recording


def double(inputs: Sequence[Tensor]) -> list[Tensor]:
    return [2 * given for given in inputs]


class Counted:
    """A forward pass that counts how often its Python code runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        self.runs += 1
        return double(inputs)


class PretendRecorder:
    """Replays what a CUDA graph would: the same arithmetic on the same memory, without running `forward` again."""

    def __init__(self, error: RuntimeError | None = None) -> None:
        self.recorded: list[int] = []
        self._error = error

    def record(self, forward: Forward, inputs: Sequence[Tensor]) -> Recording:
        self.recorded.append(len(inputs[0]))
        if self._error is not None:
            raise self._error
        own = [given.clone() for given in inputs]
        outputs = forward(own)

        def replay() -> None:
            for output, made in zip(outputs, double(own), strict=True):
                output.copy_(made)

        return Recording(own, outputs, replay)


def batch(size: int, value: float = 1.0) -> list[Tensor]:
    return [torch.full((size, 3), value), torch.full((size, 2), -value)]


def test_a_prepared_size_is_replayed_and_any_other_is_run() -> None:
    forward, recorder = Counted(), PretendRecorder()
    graphed = GraphedForward(forward, recorder)
    for size in (1, 2, 4, 2):
        graphed.prepare(batch(size))
    assert recorder.recorded == [1, 2, 4]
    forward.runs = 0
    for value in (3.0, 5.0):
        for size in (1, 2, 4):
            for found, expected in zip(graphed(batch(size, value)), double(batch(size, value)), strict=True):
                torch.testing.assert_close(found, expected)
    assert forward.runs == 0
    assert len(graphed(batch(3))[0]) == 3
    assert forward.runs == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operation not permitted when stream is capturing\nand more"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_what_cannot_be_recorded_is_said_once_and_runs_as_it_is(error: RuntimeError) -> None:
    forward, recorder = Counted(), PretendRecorder(error)
    graphed = GraphedForward(forward, recorder)
    with capture_logs() as logs:
        graphed.prepare(batch(2))
        graphed.prepare(batch(2))
    assert [(entry["event"], entry["batch"]) for entry in logs] == [("cuda_graph_not_recorded", 2)]
    assert "\n" not in logs[0]["reason"]
    torch.testing.assert_close(graphed(batch(2))[0], double(batch(2))[0])
    assert forward.runs == 1


def test_a_device_that_is_lost_while_recording_is_not_passed_over() -> None:
    graphed = GraphedForward(double, PretendRecorder(torch.AcceleratorError("CUDA error: unspecified launch failure")))
    with pytest.raises(torch.AcceleratorError):
        graphed.prepare(batch(2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_recorded_network_gives_what_the_network_gives() -> None:
    device = torch.device("cuda")
    network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.GELU(), torch.nn.Linear(64, 8)).to(device)
    with torch.inference_mode():
        graphed = GraphedForward(lambda given: [network(given[0])], CudaRecorder(device))
        for size in (1, 2, 4):
            graphed.prepare([torch.zeros(size, 64, device=device)])
        for size in (4, 1, 2, 4):
            given = torch.randn(size, 64, device=device)
            torch.testing.assert_close(graphed([given])[0].clone(), network(given))
