"""Networks recorded once per batch size and replayed, so that a GPU need not wait for Python to launch its kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
import torch
from torch import Tensor

from asdstream.engine.memory import is_out_of_memory

log = structlog.get_logger()

Forward = Callable[[Sequence[Tensor]], list[Tensor]]
RUNS_BEFORE_RECORDING = 3
"""The first runs choose kernels and fill caches, which must not be recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Running `replay` makes `outputs` from what lies in `inputs`."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    replay: Callable[[], None]


class Recorder(Protocol):
    """What records a forward pass."""

    def record(self, forward: Forward, inputs: Sequence[Tensor]) -> Recording:
        """Record what `forward` does with tensors of the shapes of `inputs`; RuntimeError where it cannot be."""


class CudaRecorder:
    """Records CUDA graphs on `device`. They share their memory, so only the latest replay's outputs are there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, forward: Forward, inputs: Sequence[Tensor]) -> Recording:
        """As in `Recorder`; Python code in `forward` runs now and at no replay."""
        own = [given.clone() for given in inputs]
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(RUNS_BEFORE_RECORDING):
                forward(own)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            outputs = forward(own)
        return Recording(own, outputs, graph.replay)


class GraphedForward:
    """`forward`, replayed from a recording for batches of shapes that were prepared, and run as it is for all others.

    What cannot be recorded is said once and run as it is. One thread at a time, within one inference mode.
    """

    def __init__(self, forward: Forward, recorder: Recorder) -> None:
        self._forward = forward
        self._recorder = recorder
        self._recordings: dict[tuple[torch.Size, ...], Recording | None] = {}

    def prepare(self, inputs: Sequence[Tensor]) -> None:
        """Record for batches of the shapes of `inputs`, unless that was done or tried before."""
        shapes = _shapes(inputs)
        if shapes in self._recordings:
            return
        self._recordings[shapes] = None
        try:
            self._recordings[shapes] = self._recorder.record(self._forward, inputs)
        except RuntimeError as error:
            if isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error):
                # The device itself is gone, and nothing would run on it any more.
                raise
            log.warning("cuda_graph_not_recorded", batch=len(inputs[0]), reason=str(error).partition("\n")[0])

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """The outputs for `inputs`; they hold until the next call."""
        recording = self._recordings.get(_shapes(inputs))
        if recording is None:
            return self._forward(inputs)
        for own, given in zip(recording.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        recording.replay()
        return recording.outputs


def _shapes(tensors: Sequence[Tensor]) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in tensors)
