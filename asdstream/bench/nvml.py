"""The energy counter of an NVIDIA GPU, from the library that comes with its driver (NVML)."""

import ctypes
from functools import partial
from typing import Any

from asdstream.bench.energy import EnergyCounter, EnergyNotToldError

LIBRARY = "libnvidia-ml.so.1"
SUCCESS = 0
UJ_PER_MJ = 1_000


def gpu_counter(uuid: str, library: Any = None) -> EnergyCounter:
    """What the whole board of the GPU with this UUID (`GPU-...`) has drawn since its driver was loaded.

    Raises EnergyNotToldError where the driver's library is not there, or the GPU (one older than Volta, or a slice of
    one) does not count.
    """
    if library is None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise EnergyNotToldError(f"the NVIDIA driver's {LIBRARY} cannot be loaded: {error}") from None
    handle = ctypes.c_void_p()
    _check(library, library.nvmlInit_v2(), "NVML does not start")
    code = library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle))
    _check(library, code, f"NVML does not know the GPU {uuid}")
    counter = EnergyCounter("GPU board (NVML)", partial(_read, library, handle))
    counter.read()
    return counter


def _read(library: Any, handle: ctypes.c_void_p) -> int:
    millijoules = ctypes.c_ulonglong()
    code = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
    _check(library, code, "the GPU does not tell what it draws")
    return millijoules.value * UJ_PER_MJ


def _check(library: Any, code: int, problem: str) -> None:
    if code != SUCCESS:
        describe = library.nvmlErrorString
        describe.restype = ctypes.c_char_p
        raise EnergyNotToldError(f"{problem}: {describe(code).decode()}")
