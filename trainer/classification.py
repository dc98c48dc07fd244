"""Stages (b) to (d): tell machines and their attributes apart, and so learn to hear what distinguishes them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS
from asdstream.models.fbank import FRAME_LENGTH, FRAME_SHIFT
from trainer.crops import drawn_per_epoch, random_crop
from trainer.heads import ClassificationHead
from trainer.mixing import Augmentation
from trainer.networks import EmbeddingNetwork
from trainer.patch_drop import PatchDrop
from trainer.randomness import below
from trainer.waveforms import Waveforms

LEAST_FRAMES = 16
"""One patch along time."""


class Classifier(nn.Module):
    """A network and what classifies its embeddings, as one module to train and to keep in a checkpoint."""

    def __init__(self, network: EmbeddingNetwork, head: ClassificationHead) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, waveform: Tensor, label: Tensor, *patches: Tensor) -> Tensor:
        """Mean loss, a scalar, of waveforms (B, N) whose classes are `label` (B,)."""
        return self.head.loss(self.network(waveform, *patches), label)


class ClassificationObjective:
    """Tell the class of a crop at a random place in a recording; freezing is done before, see `trainer.networks`.

    Args:
        stage: name of the stage, in the log and in the random seeds.
        network: what embeds a waveform.
        head: what classifies embeddings.
        waveforms: the recordings.
        labels: the class of each recording, from 0; a negative one has none, and is never drawn.
        augmentation: applied to each crop, (n,) to (n,).
        crop_seconds: length of a crop, up to a window's; a recording that is shorter is followed by silence.
        patch_drop: share of AudioMAE's patches that are left out at random; BEATs, whose positional convolution and
            relative bias want a whole sequence, hears all of a crop.
        window_end: whether AudioMAE sees short crops with the end of a window, see `PatchDrop`.
        examples_per_epoch: crops in one epoch, each of a recording drawn at random. Otherwise every recording is drawn
            once for every `crop_seconds` that it lasts.
        balanced: draw a class first, all alike, and then one of its recordings.

    Raises:
        ValueError: a setting is out of range, or the labels do not belong to the recordings.
    """

    def __init__(
        self,
        stage: str,
        network: EmbeddingNetwork,
        head: ClassificationHead,
        waveforms: Waveforms,
        labels: Sequence[int],
        augmentation: Augmentation | None = None,
        *,
        crop_seconds: float = WINDOW_SECONDS,
        patch_drop: float = 0.0,
        window_end: bool = True,
        examples_per_epoch: int | None = None,
        balanced: bool = False,
    ) -> None:
        self.stage = stage
        self.module = Classifier(network, head)
        self._crop_samples = round(crop_seconds * SAMPLE_RATE)
        if not least_crop_seconds() <= crop_seconds <= WINDOW_SECONDS:
            raise ValueError(
                f"a crop lasts {crop_seconds:g} s; right would be {least_crop_seconds():g} to {WINDOW_SECONDS:g}"
            )
        if len(labels) != len(waveforms):
            raise ValueError(f"there are {len(labels)} labels of {len(waveforms)} recordings; right would be one each")
        if examples_per_epoch is not None and examples_per_epoch < 1:
            raise ValueError(f"there are {examples_per_epoch} examples in an epoch; right would be at least 1")
        self._waveforms = waveforms
        self._labels = tuple(labels)
        self._augmentation = augmentation
        self._patch_drop = _patch_drop(network, self._crop_samples, patch_drop, window_end=window_end)
        every = drawn_per_epoch(map(waveforms.seconds, range(len(waveforms))), crop_seconds)
        self._recording_of = [index for index in every if labels[index] >= 0]
        self._of_class = [
            [index for index in self._recording_of if labels[index] == label]
            for label in sorted({label for label in labels if label >= 0})
        ]
        self._balanced = balanced
        self._asked = examples_per_epoch
        drawn = len(self._recording_of)
        self.examples = examples_per_epoch if drawn and examples_per_epoch else drawn

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """A crop (N,) and its class (); for an AudioMAE that sees a part of it also `kept` and `places` (K,)."""
        recording = self._recording(index, generator)
        crop = random_crop(self._waveforms, recording, self._crop_samples, generator)
        if self._augmentation is not None:
            crop = self._augmentation(crop, generator)
        patches = () if self._patch_drop is None else self._patch_drop.draw(generator)
        return (torch.from_numpy(crop), torch.tensor(self._labels[recording]), *patches)

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean loss of stacked examples."""
        loss: Tensor = self.module(*batch)
        return loss

    @torch.no_grad()
    def accuracy(self, *batch: Tensor) -> float:
        """Share of stacked examples whose class has the largest logit, 0 to 1."""
        waveform, label, *patches = batch
        logits = self.module.head.logits(self.module.network(waveform, *patches))
        return float((logits.argmax(dim=1) == label).float().mean())

    def _recording(self, index: int, generator: torch.Generator) -> int:
        if self._balanced:
            among = self._of_class[below(len(self._of_class), generator)]
        elif self._asked is not None:
            among = self._recording_of
        else:
            return self._recording_of[index]
        return among[below(len(among), generator)]


def least_crop_seconds() -> float:
    """What makes one patch along time: 0.175 s."""
    return (FRAME_LENGTH + (LEAST_FRAMES - 1) * FRAME_SHIFT) / SAMPLE_RATE


def _patch_drop(network: EmbeddingNetwork, samples: int, share: float, *, window_end: bool) -> PatchDrop | None:
    """None where every patch is seen, or where there is no AudioMAE."""
    if network.audiomae is None:
        return None
    drop = PatchDrop(network.audiomae.config, samples, share, window_end=window_end)
    return None if drop.keeps_all else drop
