"""Random numbers that can be drawn anywhere on the time axis without drawing what came before."""

from hashlib import blake2b

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A counter-based generator (Philox 4x64) whose stream depends on `key` alone."""
    digest = blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
