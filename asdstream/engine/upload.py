"""From the computer's memory to the device's."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def upload(array: NDArray[np.float32], device: torch.device) -> Tensor:
    """`array` as a tensor on `device`; on the CPU it is the array itself.

    To a GPU it goes from pinned memory over one copy stream, so that neither the caller nor what the GPU computes
    waits for it; what is computed with it afterwards, on the current stream, does.
    """
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    copies = _copy_stream(device)
    with torch.cuda.stream(copies):
        # torch keeps the pinned block until the copy out of it is done.
        sent = tensor.pin_memory().to(device, non_blocking=True)
    work = torch.cuda.current_stream(device)
    work.wait_stream(copies)
    sent.record_stream(work)
    return sent


@lru_cache(maxsize=16)
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
