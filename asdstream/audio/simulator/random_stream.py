"""Random numbers that can be drawn anywhere on the time axis without drawing what came before."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def generator(*key: int | str) -> np.random.Generator:
    """A counter-based generator (Philox 4x64) whose stream depends on `key` alone."""
    digest = blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype="<u8")))


def white_noise(rng: np.random.Generator, samples: int) -> NDArray[np.float32]:
    """White noise of unit RMS, (samples,).

    Its values are uniform, not Gaussian, which costs an eighth; whatever filter it passes makes it Gaussian.
    """
    steps = np.frombuffer(rng.bytes(2 * samples), dtype="<i2")
    return np.asarray(steps * np.float32(np.sqrt(3.0) / 32_768.0), dtype=np.float32)
