"""A machine in the DCASE layout, from sound that a test makes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def write_machine(root: Path, machine: str, sound: Callable[[str, int], NDArray[np.floating]], source: int) -> Path:
    """Write `source` source-domain and 2 target-domain training clips, and 3 test clips of each kind; returns `root`.

    `sound` gets `normal` or `anomaly`, and a number that no other clip has.
    """
    seed = 0
    for split, domain, condition, count in (
        ("train", "source", "normal", source),
        ("train", "target", "normal", 2),
        ("test", "source", "normal", 3),
        ("test", "source", "anomaly", 3),
        ("test", "target", "normal", 3),
        ("test", "target", "anomaly", 3),
    ):
        (root / machine / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            name = f"section_00_{domain}_{split}_{condition}_{number:04d}.wav"
            soundfile.write(root / machine / split / name, sound(condition, seed), 16_000)
    return root
