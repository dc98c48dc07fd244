"""Stretches of recordings as the learning stages draw them: how many in an epoch, and where."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from trainer.randomness import below
from trainer.waveforms import Waveforms


def drawn_per_epoch(lengths: Iterable[float], seconds: float) -> list[int]:
    """The recordings of one epoch, by their place in `lengths` (seconds each).

    Each stands there once for every `seconds` that it lasts, and at least once.
    """
    return [index for index, length in enumerate(lengths) for _ in range(max(1, round(length / seconds)))]


def random_crop(sound: Waveforms, index: int, samples: int, generator: torch.Generator) -> NDArray[np.float32]:
    """`samples` from a random place of a recording, (samples,), followed by silence where it is shorter."""
    spare = max(0, round(sound.seconds(index) * SAMPLE_RATE) - samples)
    return sound.samples(index, below(spare + 1, generator), samples)
