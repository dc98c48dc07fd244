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


class PlainEngine:
    """A bundle's networks in eager float32 on `device`, one window at a time."""

    def __init__(self, bundle: Bundle, machine_type: str, device: torch.device) -> None:
        self._device = device
        self._branches = bundle.branches
        self._encoders = {name: bundle.build_encoder(name).to(device) for name in bundle.encoders}
        self._heads = {branch.name: bundle.build_head(branch.name).to(device) for branch in bundle.branches}
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
            return {
                branch.name: F.normalize(self._heads[branch.name](*(tokens[name] for name in branch.encoders)))[0]
                .cpu()
                .numpy()
                for branch in self._branches
            }
