"""The recordings that a recipe trains on, whether they come from files or from the simulator."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording that is made or read when it is needed.

    `read` returns float32 (n,), 16 kHz mono, nominally in [-1, 1], the same at every call. `identity` is a text that
    changes when the sound does, as far as that can be told without listening.
    """

    name: str
    identity: str
    seconds: float
    read: Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class MachineSound:
    """Normal sound of one machine that the bundle is to know.

    `source` and `target` make the prototypes, `held_out` (source domain) is heard by the calibration alone.
    """

    machine: str
    source: tuple[Recording, ...]
    target: tuple[Recording, ...]
    held_out: tuple[Recording, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSound:
    """Everything a recipe listens to; `variety` is heard by the generative stage alone."""

    variety: tuple[Recording, ...]
    machines: tuple[MachineSound, ...]

    @property
    def generative(self) -> tuple[Recording, ...]:
        """What the generative stage trains on: all but the held-out recordings."""
        return self.variety + tuple(
            recording for machine in self.machines for recording in (*machine.source, *machine.target)
        )

    @property
    def all(self) -> tuple[Recording, ...]:
        """Every recording."""
        return self.generative + tuple(recording for machine in self.machines for recording in machine.held_out)
