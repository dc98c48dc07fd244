"""Which patches of a crop AudioMAE sees while it learns."""

import torch
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.fbank import frame_count


class PatchDrop:
    """Draws the patches of a crop that are kept, and their places in the window.

    A share of the patches is left out at random (Huang et al. 2022, section 3, fine-tuning under masks), which
    regularises and is cheaper. Every band loses the same number, so that pooling by band stays a mean over time. Of a
    crop shorter than a window only the patches that hold nothing but sound are kept, at a random time of the window,
    so that all positions go on learning. A whole window keeps its padding, as in the daemon.

    Args:
        config: AudioMAE's sizes.
        samples: length of the crops, up to a window's.
        share: of the patches left out, at least 0 and below 1.

    Raises:
        ValueError: the share is out of range, or the crop is too short for a patch.
    """

    def __init__(self, config: AudioMAEConfig, samples: int, share: float) -> None:
        if not 0.0 <= share < 1.0:
            raise ValueError(f"the share of patches to drop is {share}; right would be at least 0 and below 1")
        self._bands = config.bands
        self._times = config.times if samples >= WINDOW_SAMPLES else frame_count(samples) // config.patch
        if self._times < 1:
            raise ValueError(f"a crop of {samples} samples holds no patch; right would be a longer one")
        self._kept_times = max(1, round(self._times * (1.0 - share)))
        self._latest = max(0, frame_count(WINDOW_SAMPLES) // config.patch - self._times)
        self.keeps_all = self._kept_times == config.times

    @property
    def count(self) -> int:
        """How many patches are kept, K."""
        return self._kept_times * self._bands

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`kept` and `places`, (K,) each, for `AudioMAE.embed_patches`; time-major, rising within a band."""
        order = torch.rand(self._bands, self._times, generator=generator).argsort(dim=1)
        times = order[:, : self._kept_times].sort(dim=1).values.T
        kept = (times * self._bands + torch.arange(self._bands)).flatten()
        first = torch.randint(self._latest + 1, (1,), generator=generator)
        return kept, kept + first * self._bands
