"""Stage (e): a separator learns to tell a machine from what surrounds it."""

import torch
from torch import Tensor, nn

from asdstream.audio.window import SAMPLE_RATE
from asdstream.models.hybrid_loss import HybridContinuityLoss
from asdstream.models.tfgridnet import TFGridNet
from trainer.crops import drawn_per_epoch
from trainer.pairs import Pairs


class SeparatorObjective:
    """Make the first source of `separator` the machine of a mixture, by the hybrid continuity loss.

    An example is a stretch of `seconds` of a clean recording with noise; each recording is drawn once per epoch for
    every such stretch that it lasts. Everything is computed in float32, because logarithms of magnitudes and the
    recurrent layers' gradients do not bear less.
    """

    def __init__(self, stage: str, separator: TFGridNet, pairs: Pairs, seconds: float = 3.0) -> None:
        self._stage = stage
        self._separator = separator
        self._pairs = pairs
        self._samples = round(seconds * SAMPLE_RATE)
        self._loss = HybridContinuityLoss()
        self._recording_of = drawn_per_epoch(map(pairs.seconds, range(len(pairs))), seconds)

    @property
    def stage(self) -> str:
        """Name of the stage, one for each separator."""
        return self._stage

    @property
    def examples(self) -> int:
        """Mixtures per epoch."""
        return len(self._recording_of)

    @property
    def module(self) -> nn.Module:
        """The separator."""
        return self._separator

    def example(self, index: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """A mixture and its machine, each (N,)."""
        mixture, target = self._pairs.example(self._recording_of[index], generator, self._samples)
        return torch.from_numpy(mixture), torch.from_numpy(target)

    def loss(self, *batch: Tensor) -> Tensor:
        """Hybrid continuity loss of mixtures (B, N) and machines (B, N)."""
        mixture, target = batch
        with torch.autocast(mixture.device.type, enabled=False):
            estimate = self._separator(mixture.float())[:, 0]
            loss: Tensor = self._loss(estimate, target.float())
        return loss
