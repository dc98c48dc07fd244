"""The recordings that a recipe trains on, whether they come from files or from the simulator."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording that is made or read when it is needed.

    `read` returns float32 (n,), 16 kHz mono, nominally in [-1, 1], the same at every call. `identity` is a text that
    changes when the sound does, as far as that can be told without listening. `label` is the compound attribute label
    ("fan_rpm_1800_load_medium"), empty where nothing is known.
    """

    name: str
    identity: str
    seconds: float
    read: Callable[[], NDArray[np.float32]]
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MachineSound:
    """Normal sound of one machine that the bundle is to know.

    `source` and `target` make the prototypes, `held_out` (source domain) is heard by the calibration alone. `clean` is
    the machine without background (supplemental data), which only separators learn from.
    """

    machine: str
    source: tuple[Recording, ...]
    target: tuple[Recording, ...]
    held_out: tuple[Recording, ...]
    clean: tuple[Recording, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSound:
    """Everything a recipe listens to.

    Only the learning stages hear `variety` (other years, other machines, faulty ones with a label of their own);
    `machines` get prototypes; `noise` is background without a machine, to be mixed into what is learned from.
    """

    variety: tuple[Recording, ...]
    machines: tuple[MachineSound, ...]
    noise: tuple[Recording, ...] = ()

    @property
    def generative(self) -> tuple[Recording, ...]:
        """What encoders learn from: the variety, and of the machines all but held-out and clean recordings."""
        return self.variety + tuple(
            recording for machine in self.machines for recording in (*machine.source, *machine.target)
        )

    @property
    def all(self) -> tuple[Recording, ...]:
        """Every recording."""
        rest = (recording for machine in self.machines for recording in (*machine.held_out, *machine.clean))
        return (*self.generative, *rest, *self.noise)
