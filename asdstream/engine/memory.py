"""Work in batches that fit into the device's memory."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import torch

from asdstream.engine.errors import EngineError

log = structlog.get_logger()

Result = TypeVar("Result")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch found no memory, on a GPU or on the CPU; only a GPU's allocator has an exception of its own."""
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "DefaultCPUAllocator" in text
        or "CUBLAS_STATUS_ALLOC_FAILED" in text
        or "CUDA error: out of memory" in text
    )


class FittingBatches:
    """Cuts work into batches of at most `size`, which halves each time that the device runs out of memory.

    It stays halved: what has taken the memory (another process, say) may take it again in the middle of any batch.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        if size < 1:
            raise EngineError(f"the largest batch is {size}; at least 1 is needed")
        self.size = size
        self._device = device

    def run(self, count: int, compute: Callable[[slice], Result]) -> list[Result]:
        """What `compute` gives for one slice of `count` windows after the other.

        Raises EngineError where not even one window alone finds memory.
        """
        results: list[Result] = []
        first = 0
        while first < count:
            part = slice(first, min(first + self.size, count))
            try:
                results.append(compute(part))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if part.stop - first == 1:
                    raise EngineError(f"device {self._device} has no memory for one window alone: {error}") from error
            else:
                first = part.stop
                continue
            # Only here, where the exception and what its frames hold are gone, can the memory be given back.
            self._halve(part.stop - first)
        return results

    def _halve(self, failed: int) -> None:
        # Work beside this may have halved it further by now.
        self.size = min(self.size, max(1, failed // 2))
        log.warning("batch_halved", device=str(self._device), largest=self.size, reason="the device ran out of memory")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
