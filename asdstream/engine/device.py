"""Where the networks run and how precisely."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import torch

from asdstream.engine.errors import DeviceLostError, EngineError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, the type its matrix products are computed in, and the CPU threads of one."""

    device: torch.device
    dtype: torch.dtype
    threads: int


def choose(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Placement:
    """Settle what is `auto`.

    Device: CUDA where there is one, else the CPU. Precision: bfloat16 on CUDA and on CPUs with AMX tiles, else
    float32. Threads: as many as this process may use, which in a container can be fewer than the machine has.

    Raises EngineError for a device that is not there or a word that is not known.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise EngineError(f"device {device!r} is unknown; auto, cpu, cuda or cuda:<n> is expected") from error
    if place.type not in ("cpu", "cuda"):
        raise EngineError(f"device {device!r} is not supported; auto, cpu, cuda or cuda:<n> is expected")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise EngineError(f"device {device!r} is not there; this machine has {torch.cuda.device_count()} CUDA devices")
    if precision == "auto":
        fast = place.type == "cuda" or bool(torch.cpu._is_amx_tile_supported())
        precision = "bfloat16" if fast else "float32"
    if precision not in PRECISIONS:
        raise EngineError(f"precision {precision!r} is unknown; auto, {' or '.join(PRECISIONS)} is expected")
    if threads is None:
        threads = len(os.sched_getaffinity(0))
    if threads < 1:
        raise EngineError(f"{threads} threads are asked for; at least 1 is needed")
    return Placement(place, PRECISIONS[precision], threads)


class Placed(Protocol):
    """What runs on a device."""

    placement: Placement


Self = TypeVar("Self", bound=Placed)
Given = ParamSpec("Given")
Made = TypeVar("Made")


def names_lost_device(
    method: Callable[Concatenate[Self, Given], Made],
) -> Callable[Concatenate[Self, Given], Made]:
    """A method that raises DeviceLostError where the device itself has failed.

    After that (a fault in its memory, a reset, a cable) every later call in this process fails as well: a new process
    is the only remedy, which a service manager starts when this one ends.
    """

    @wraps(method)
    def named(self: Self, /, *args: Given.args, **settings: Given.kwargs) -> Made:
        try:
            return method(self, *args, **settings)
        except torch.AcceleratorError as error:
            raise DeviceLostError(
                f"device {self.placement.device} can no longer be used, so this process has to be started anew: "
                f"{str(error).partition(chr(10))[0]}"
            ) from error

    return named
