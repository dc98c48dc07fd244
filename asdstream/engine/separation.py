"""Separation of a machine from what surrounds it."""

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream.bundle import Bundle
from asdstream.engine.cores import Cores
from asdstream.engine.device import Placement
from asdstream.engine.errors import EngineError
from asdstream.engine.memory import FittingBatches
from asdstream.engine.upload import upload
from asdstream.models.tfgridnet import TFGridNet

AT_ONCE_ON_GPU = 8
"""Windows. A CPU takes one after the other: its caches then hold what belongs to one (four at once take half as long
again each), and the tiny network's intermediate results take 0.17 GB a window."""


class Separator:
    """Separates 10 s windows with the separators of `bundle`, each built when it is first needed. From any thread.

    On a CPU they compute in float32 whatever the placement says, because their recurrent layers gain nothing from
    bfloat16, and its `cores` (by default its own) take a part of the windows each.
    """

    def __init__(self, bundle: Bundle, placement: Placement, cores: Cores | None = None) -> None:
        self._bundle = bundle
        self._device = placement.device
        self._dtype = torch.float32 if placement.device.type == "cpu" else placement.dtype
        self._fitting = FittingBatches(1 if placement.device.type == "cpu" else AT_ONCE_ON_GPU, placement.device)
        self._cores = cores or Cores(placement)
        # By the bundle's own name for them, so that machine types with a common separator share its memory.
        self._networks: dict[str, TFGridNet] = {}
        self._building = threading.Lock()

    def separate(self, samples: NDArray[np.float32], machine_type: str, begin: int = 0) -> NDArray[np.float32]:
        """What of windows (B, N) at 16 kHz is a machine of this type, (B, N - begin), as loud as it is in them.

        Only what follows sample `begin` is separated; of what lies before it the network learns the level alone.
        A gain on a window is the same gain on what comes out, silence stays silence, and no window depends on the
        others. Raises EngineError where the bundle has no separator for the type.
        """
        with self._building:
            network = self._network(machine_type)

        def estimate(windows: NDArray[np.float32]) -> NDArray[np.float32]:
            mixture = upload(np.ascontiguousarray(windows, dtype=np.float32), self._device)
            found: NDArray[np.float32] = network(mixture, begin)[:, 0].cpu().numpy()
            return found

        def compute(windows: slice) -> list[NDArray[np.float32]]:
            mine = samples[windows]
            with torch.inference_mode():
                return self._fitting.run(len(mine), lambda part: estimate(mine[part]))

        parts = self._cores.run(len(samples), compute)
        return np.concatenate([np.zeros((0, samples.shape[1] - begin), np.float32), *parts])

    def _network(self, machine_type: str) -> TFGridNet:
        name = self._bundle.separator_of(machine_type)
        if name is not None and name in self._networks:
            return self._networks[name]
        network = self._bundle.build_separator(machine_type)
        if name is None or network is None:
            raise EngineError(
                f"bundle {self._bundle.name} has no separator for machine type {machine_type!r}, "
                "so its sound can only be scored as it is"
            )
        self._networks[name] = network.to(self._device, self._dtype)
        return self._networks[name]
