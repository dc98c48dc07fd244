"""Stage (a): masked spectrogram reconstruction on machine sound."""

import torch
from torch import Tensor, nn

from asdstream.audio.window import WINDOW_SAMPLES, WINDOW_SECONDS
from asdstream.models.masked_audiomae import MaskedAudioMAE, Reconstruction, reconstruction_loss
from asdstream.models.masking import Mask, mel_rectangles, random_masking, time_frequency_masking
from trainer.crops import drawn_per_epoch, random_crop
from trainer.mixing import Augmentation
from trainer.recipe import GenerativeSettings, MaskSettings
from trainer.waveforms import Waveforms


class GenerativeObjective:
    """Reconstruct the hidden patches of a ten-second crop; an example is a crop at a random place in a recording.

    A recording is drawn once per epoch for every ten seconds that it lasts.
    """

    stage = "generative"

    def __init__(
        self,
        model: MaskedAudioMAE,
        waveforms: Waveforms,
        settings: GenerativeSettings,
        augment: Augmentation | None = None,
    ) -> None:
        self._model = model
        self._waveforms = waveforms
        self._settings = settings
        self._augment = augment
        self._recording_of = drawn_per_epoch(map(waveforms.seconds, range(len(waveforms))), WINDOW_SECONDS)

    @property
    def examples(self) -> int:
        """Crops per epoch."""
        return len(self._recording_of)

    @property
    def module(self) -> nn.Module:
        """The masked autoencoder."""
        return self._model

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """A crop (160000,) float32, and a mask's ids_keep (K,), ids_restore (L,) and removed (L,)."""
        sound = random_crop(self._waveforms, self._recording_of[index], WINDOW_SAMPLES, generator)
        config = self._model.config
        mask = draw_mask(self._settings.mask, 1, config.times, config.bands, generator)
        # Last, so that crops and masks are the same with and without noise.
        if self._augment is not None:
            sound = self._augment(sound, generator)
        return torch.from_numpy(sound), mask.ids_keep[0], mask.ids_restore[0], mask.removed[0]

    def loss(self, *batch: Tensor) -> Tensor:
        """Reconstruction loss of stacked examples."""
        return reconstruction_loss(
            self.reconstruct(*batch), self._settings.loss, normalise_patches=self._settings.normalise_patches
        )

    def reconstruct(self, sound: Tensor, ids_keep: Tensor, ids_restore: Tensor, removed: Tensor) -> Reconstruction:
        """The network's answer to stacked examples: (B, 160000), (B, K), (B, L), (B, L), on the model's device."""
        spectrogram = self._model.front_end(sound)
        reconstruction: Reconstruction = self._model(spectrogram, Mask(ids_keep, ids_restore, removed))
        return reconstruction


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
