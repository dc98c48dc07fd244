"""Stage (a): masked spectrogram reconstruction on machine sound."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asdstream.audio.window import WINDOW_SAMPLES, WINDOW_SECONDS
from asdstream.models.fbank import frame_count
from asdstream.models.masked_audiomae import MaskedAudioMAE, Reconstruction, reconstruction_loss
from asdstream.models.masking import Mask, mel_rectangles, random_masking, time_frequency_masking
from trainer.front_end_cache import FrontEndCache
from trainer.recipe import GenerativeSettings, MaskSettings
from trainer.sound import Recording

CROP_FRAMES = frame_count(WINDOW_SAMPLES)
"""The encoder learns on what it will hear: ten seconds, zero-padded to its 1024 frames."""


class GenerativeObjective:
    """Reconstruct the hidden patches of a ten-second crop; an example is a crop at a random place in a recording.

    A recording is drawn once per epoch for every ten seconds that it lasts.
    """

    stage = "generative"

    def __init__(
        self,
        model: MaskedAudioMAE,
        cache: FrontEndCache,
        recordings: Sequence[Recording],
        settings: GenerativeSettings,
    ) -> None:
        self._model = model
        self._cache = cache
        self._settings = settings
        self._recording_of = [
            index
            for index, recording in enumerate(recordings)
            for _ in range(max(1, round(recording.seconds / WINDOW_SECONDS)))
        ]

    @property
    def examples(self) -> int:
        """Crops per epoch."""
        return len(self._recording_of)

    @property
    def module(self) -> nn.Module:
        """The masked autoencoder."""
        return self._model

    def draw(self, indices: list[int], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Crops (B, 1024, 128), normalised, and a mask's ids_keep (B, K), ids_restore (B, L) and removed (B, L)."""
        crops = torch.stack([self._crop(self._cache.fbank(self._recording_of[i]), generator) for i in indices])
        mask = draw_mask(
            self._settings.mask, len(indices), self._model.config.times, self._model.config.bands, generator
        )
        return (self._model.front_end.normalise(crops), mask.ids_keep, mask.ids_restore, mask.removed)

    def loss(self, *batch: Tensor) -> Tensor:
        """Reconstruction loss of what `draw` gave."""
        return reconstruction_loss(
            self.reconstruct(*batch), self._settings.loss, normalise_patches=self._settings.normalise_patches
        )

    def reconstruct(self, fbank: Tensor, ids_keep: Tensor, ids_restore: Tensor, removed: Tensor) -> Reconstruction:
        """The network's answer to what `draw` gave."""
        reconstruction: Reconstruction = self._model(fbank, Mask(ids_keep, ids_restore, removed))
        return reconstruction

    @staticmethod
    def _crop(fbank: Tensor, generator: torch.Generator) -> Tensor:
        spare = fbank.shape[0] - CROP_FRAMES
        start = int(torch.randint(max(1, spare + 1), (1,), generator=generator))
        crop = fbank[start : start + CROP_FRAMES].float()
        return nn.functional.pad(crop, (0, 0, 0, CROP_FRAMES - crop.shape[0]))


def draw_mask(settings: MaskSettings, batch: int, times: int, bands: int, generator: torch.Generator) -> Mask:
    """A mask for `batch` spectrograms of `times` x `bands` patches, as the recipe asks."""
    if settings.kind == "time_frequency":
        return time_frequency_masking(
            torch.rand(batch, times, generator=generator),
            torch.rand(batch, bands, generator=generator),
            settings.time_ratio,
            settings.frequency_ratio,
        )
    if settings.kind == "mel_rectangles":
        return mel_rectangles(batch, settings.ratio, times=times, bands=bands, generator=generator)
    return random_masking(torch.rand(batch, times * bands, generator=generator), settings.ratio)
