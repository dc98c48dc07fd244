"""Random numbers that depend on the seed and on where in the run they are drawn, never on what ran before."""

import hashlib

import numpy as np
import torch


def derived_seed(seed: int, *place: str | int) -> int:
    """A 63-bit seed for one place in a run, such as (seed, "step", 12)."""
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *place: str | int) -> np.random.Generator:
    """NumPy's generator for one place in a run."""
    return np.random.default_rng(derived_seed(seed, *place))


def torch_generator(seed: int, *place: str | int) -> torch.Generator:
    """Torch's generator, on the CPU, for one place in a run."""
    return torch.Generator().manual_seed(derived_seed(seed, *place))


def below(bound: int, generator: torch.Generator) -> int:
    """A whole number from 0 up to but without `bound`."""
    return int(torch.randint(bound, (), generator=generator))
