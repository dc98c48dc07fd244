"""What the masked autoencoder of a bundle expects of a sound, and how far the sound is from that."""

import math
import threading
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.bundle import Bundle
from asdstream.engine.device import Placement
from asdstream.engine.memory import FittingBatches
from asdstream.engine.patch_grid import PatchGrid
from asdstream.engine.upload import upload
from asdstream.models.fbank import FRAME_SHIFT, SAMPLE_RATE, frame_count, mel_edges
from asdstream.models.masked_audiomae import MaskedAudioMAE
from asdstream.models.masking import Mask, complementary_masking

SEED = 0
HIDDEN = 0.8
"""As much as was hidden from it in training (Huang et al. 2022, section 4)."""
DB_PER_NEPER = 10.0 / math.log(10.0)
"""The front end takes the natural logarithm of power."""


class Reconstruction:
    """Encoder and decoder of `bundle`, which take no memory before they are first asked.

    They compute in float32 on the placement's device: it is done for an alarm and not for every window.
    """

    def __init__(self, bundle: Bundle, placement: Placement) -> None:
        self._bundle = bundle
        self._device = placement.device
        self._lock = threading.Lock()
        self._fitting = FittingBatches(2, placement.device)

    @property
    def patches(self) -> PatchGrid | None:
        """What `errors` has rows and columns for; None where the bundle has no decoder. From any thread."""
        network = self._network()
        if network is None:
            return None
        config = network.config
        edges = mel_edges(config.patch)
        whole = frame_count(WINDOW_SAMPLES) // config.patch
        turns = len(self._masks.ids_keep)
        return PatchGrid(turns, min(whole, config.times), config.patch * FRAME_SHIFT / SAMPLE_RATE, edges)

    def errors(self, samples: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
        """As `Reconstructor.reconstruction_errors`."""
        network, grid = self._network(), self.patches
        if network is None or grid is None:
            raise ValueError("the bundle has no decoder; right would be to ask for `patches` first")
        one = [part[turn : turn + 1] for part in (self._masks.ids_keep, self._masks.ids_restore, self._masks.removed)]

        def compute(windows: slice) -> NDArray[np.float32]:
            with torch.inference_mode():
                spectrogram = network.front_end(upload(np.ascontiguousarray(samples[windows]), self._device))
                mask = Mask(*(part.expand(len(spectrogram), -1) for part in one)).to(self._device)
                drawn = network(spectrogram, mask)
                above = (drawn.target - drawn.pred).mean(dim=-1).masked_fill(~drawn.mask, math.nan)
                scale = 2.0 * network.front_end.deviation * DB_PER_NEPER
                by_patch = (above * scale).unflatten(1, (network.config.times, network.config.bands))
            errors: NDArray[np.float32] = by_patch[:, : grid.times].cpu().numpy()
            return errors

        return np.concatenate(self._fitting.run(len(samples), compute))

    def _network(self) -> MaskedAudioMAE | None:
        with self._lock:
            return self._built

    @cached_property
    def _built(self) -> MaskedAudioMAE | None:
        network = self._bundle.build_masked_audiomae()
        return None if network is None else network.to(self._device)

    @cached_property
    def _masks(self) -> Mask:
        network = self._network()
        if network is None:
            raise ValueError("the bundle has no decoder; right would be to ask for `patches` first")
        noise = torch.rand(network.config.tokens, generator=torch.Generator().manual_seed(SEED))
        return complementary_masking(noise, HIDDEN)
