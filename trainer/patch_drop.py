"""Which patches of a crop AudioMAE sees while it learns."""

import torch
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.fbank import frame_count


class PatchDrop:
    """Draws the patches of a crop that are kept, and their places in the window.

    A share of the patches is left out at random (Huang et al. 2022, section 3, fine-tuning under masks), which
    regularises and is cheaper. Every band loses the same number, so that pooling by band stays a mean over time.

    The patches of a crop shorter than a window stand at a random time of the window, so that all positions go on
    learning. With `window_end` the window ends as it does in the daemon, with the patches in which sound gives way to
    padding and those that are padding up to 10.24 s: they stand in for others as often as they do in a whole window. An
    encoder that never saw them knows few of its classes in whole windows.

    Args:
        config: AudioMAE's sizes.
        samples: length of the crops, up to a window's.
        share: of the patches left out, at least 0 and below 1.
        window_end: whether a short crop is now and then seen with the end of a window.

    Raises:
        ValueError: the share is out of range, or the crop is too short for a patch.
    """

    def __init__(self, config: AudioMAEConfig, samples: int, share: float, *, window_end: bool = True) -> None:
        if not 0.0 <= share < 1.0:
            raise ValueError(f"the share of patches to drop is {share}; right would be at least 0 and below 1")
        self._bands = config.bands
        whole = samples >= WINDOW_SAMPLES
        self._times = config.times if whole else frame_count(samples) // config.patch
        if self._times < 1:
            raise ValueError(f"a crop of {samples} samples holds no patch; right would be a longer one")
        self._kept_times = max(1, round(self._times * (1.0 - share)))
        self._sound = config.times if whole else frame_count(WINDOW_SAMPLES) // config.patch
        self._latest = self._sound - self._times
        self._padded = min(config.times - self._sound, self._kept_times) if window_end else 0
        self._padding_chance = self._kept_times / config.times
        self.keeps_all = self._kept_times == config.times

    @property
    def count(self) -> int:
        """How many patches are kept, K."""
        return self._kept_times * self._bands

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`kept` and `places`, (K,) each, for `AudioMAE.embed_patches`; time-major, rising within a band."""
        order = torch.rand(self._bands, self._times, generator=generator).argsort(dim=1)
        times = order[:, : self._kept_times]
        # The columns behind the crop's own sound are those that a window ends with.
        end = self._times + torch.arange(self._padded)
        ends = torch.rand(self._bands, self._padded, generator=generator) < self._padding_chance
        times[:, : self._padded] = torch.where(ends, end, times[:, : self._padded])
        times = times.sort(dim=1).values.T
        first = torch.randint(self._latest + 1, (1,), generator=generator)
        places = torch.where(times < self._times, times + first, times + (self._sound - self._times))
        bands = torch.arange(self._bands)
        return (times * self._bands + bands).flatten(), (places * self._bands + bands).flatten()
