"""How much memory this process holds, in the computer and on a GPU."""

import os
from pathlib import Path

import torch


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Bytes of this process that lie in the computer's memory at this moment, shared ones included (Linux)."""
    pages = int(statm.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def gpu_bytes(device: torch.device) -> int | None:
    """The most bytes of a GPU that torch has held in this process so far; None for the CPU."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
