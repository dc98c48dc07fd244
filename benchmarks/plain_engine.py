"""The loop that one writes first: every window for itself, in float32, separated and transformed anew.

The yardstick of `engine.py`, and a check on it: both have to come to the same embedding.
"""

from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from plain_encoders import attend_written_out, plain_audiomae, plain_beats

from asdstream.bundle import Bundle
from asdstream.models import gridnet_block
from asdstream.models.audiomae import AudioMAE
from asdstream.models.loudness import beside


class PlainEngine:
    """A bundle's networks in eager float32 on `device`, one window at a time."""

    def __init__(self, bundle: Bundle, machine_type: str, device: torch.device) -> None:
        self._device = device
        self._branches = bundle.branches
        self._encoders = {name: bundle.build_encoder(name).to(device) for name in bundle.encoders}
        self._heads = {branch.name: bundle.build_head(branch.name).to(device) for branch in bundle.branches}
        loudness = {branch.name: bundle.build_loudness(branch.name) for branch in bundle.branches}
        self._loudness = {name: one.to(device) for name, one in loudness.items() if one is not None}
        separator = bundle.build_separator(machine_type)
        self._separator = None if separator is None else separator.to(device)

    def embed(self, samples: NDArray[np.float32], *, separated: bool) -> dict[str, NDArray[np.float32]]:
        """A window (160000,) to unit-length embeddings (D,) by branch."""
        with torch.inference_mode():
            waveform = torch.from_numpy(samples.copy())[None].to(self._device)
            if separated:
                assert self._separator is not None
                with mock.patch.object(gridnet_block, "attend", attend_written_out):
                    waveform = self._separator(waveform)[:, 0]
            tokens = {
                name: plain_audiomae(encoder, waveform)
                if isinstance(encoder, AudioMAE)
                else plain_beats(encoder, waveform)
                for name, encoder in self._encoders.items()
            }
            vectors = {}
            for branch in self._branches:
                rows = self._heads[branch.name](*(tokens[name] for name in branch.encoders))
                if branch.name in self._loudness:
                    heard = self._encoders[branch.encoders[0]].front_end(waveform)
                    rows = beside(rows, self._loudness[branch.name](heard), branch.loudness)
                vectors[branch.name] = F.normalize(rows)[0].cpu().numpy()
            return vectors
