"""How much memory this process holds."""

import os
from pathlib import Path


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Bytes of this process that lie in the computer's memory at this moment, shared ones included (Linux)."""
    pages = int(statm.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
