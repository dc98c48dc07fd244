"""What a measurement was made on."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from asdstream import __version__
from asdstream.config import EngineSection
from asdstream.engine.device import choose


@dataclass(frozen=True, slots=True)
class Machine:
    """Versions, and where and how the networks ran; `cores` is how many this process may use."""

    asdstream: str
    python: str
    torch: str
    processor: str
    cores: int
    device: str
    precision: str
    threads: int


def machine_of(section: EngineSection) -> Machine:
    """This machine, with an engine as `section` says. Raises EngineError where that cannot be had."""
    placement = choose(section.device, section.precision, section.threads)
    on_gpu = placement.device.type == "cuda"
    return Machine(
        asdstream=__version__,
        python=sys.version.split()[0],
        torch=torch.__version__,
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)),
        device=torch.cuda.get_device_name(placement.device) if on_gpu else "cpu",
        precision=str(placement.dtype).removeprefix("torch."),
        threads=placement.threads,
    )


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor as it calls itself, else its architecture."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, "") or platform.machine()
