"""Which counters tell what a device draws."""

import torch

from asdstream.bench.energy import EnergyMeter
from asdstream.bench.nvml import gpu_counter
from asdstream.bench.rapl import processor_counters


def meter_of(device: torch.device) -> EnergyMeter:
    """The meter of a GPU's board, or that of the processor; all that these draw, for whomever, is counted.

    Raises EnergyNotToldError where there is none.
    """
    if device.type == "cuda":
        return EnergyMeter([gpu_counter(f"GPU-{torch.cuda.get_device_properties(device).uuid}")])
    return EnergyMeter(processor_counters())
