"""The first ten seconds of recordings, in batches on a device."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES
from trainer.networks import EmbeddingNetwork
from trainer.processes import Processes
from trainer.waveforms import Waveforms

BATCH = 16


def embeddings(network: EmbeddingNetwork, waveforms: Waveforms, processes: Processes) -> NDArray[np.float32]:
    """One embedding (N, D) of each recording."""
    network.to(processes.device).eval()
    return answers(network, waveforms, processes.device).numpy()


def answers(network: Callable[[Tensor], Tensor], waveforms: Waveforms, device: torch.device) -> Tensor:
    """What a network makes of the first ten seconds of each recording, (N, ...) on the CPU."""
    found = []
    with torch.no_grad():
        for first in range(0, len(waveforms), BATCH):
            places = range(first, min(first + BATCH, len(waveforms)))
            batch = np.stack([waveforms.samples(place, 0, WINDOW_SAMPLES) for place in places])
            found.append(network(torch.from_numpy(batch).to(device)).float().cpu())
    return torch.cat(found)
