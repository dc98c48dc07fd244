"""Networks compiled by torch.compile, kept on disk so that a restart does not compile them again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

Given = ParamSpec("Given")
Made = TypeVar("Made")


def compiled(function: Callable[Given, Made], cache: Path) -> Callable[Given, Made]:
    """`function`, compiled when it is first called; a second batch size compiles it once more, for every size.

    What is compiled is kept in `cache`, unless TORCHINDUCTOR_CACHE_DIR names another folder; torch holds to one for the
    whole process. It needs a C++ compiler on a CPU, and Triton on a GPU.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
    os.environ.setdefault("TRITON_CACHE_DIR", str(cache / "triton"))
    made: Callable[Given, Made] = torch.compile(function)
    return made
