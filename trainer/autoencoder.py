"""The autoencoder of the DCASE Task 2 baseline, its training, and its two scores.

Harada et al. 2023, "First-shot anomaly detection for machine condition monitoring: a domain generalization baseline";
the published code (dcase2023_task2_baseline_ae) settles what the paper leaves open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.errors import DataError
from trainer.log_mel import MEL_BANDS
from trainer.randomness import derived_seed, torch_generator

STACKED_FRAMES = 5


@dataclass(frozen=True, slots=True)
class AutoencoderSettings:
    """How the autoencoder is trained. The defaults are the published ones."""

    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 1e-3
    validation: float = 0.1
    """Share of the vectors that is not trained on; they only show whether the loss still falls."""
    seed: int = 0


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, eps=1e-3, momentum=0.01), nn.ReLU()]


class Autoencoder(nn.Module):
    """Five stacked frames (B, 640) to themselves, through four layers of 128, a bottleneck of 8, and four of 128."""

    def __init__(self, inputs: int = STACKED_FRAMES * MEL_BANDS, width: int = 128, bottleneck: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_layer(inputs, width),
            *(layer for _ in range(3) for layer in _layer(width, width)),
            *_layer(width, bottleneck),
        )
        self.decoder = nn.Sequential(
            *_layer(bottleneck, width),
            *(layer for _ in range(3) for layer in _layer(width, width)),
            nn.Linear(width, inputs),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, 640) to (B, 640)."""
        rebuilt: Tensor = self.decoder(self.encoder(vectors))
        return rebuilt


def stacked(frames: Tensor) -> Tensor:
    """Every five neighbouring frames of a clip (T, 128) as one vector: (T - 4, 640), earliest frame first.

    Raises DataError for a clip of fewer than five frames.
    """
    if len(frames) < STACKED_FRAMES:
        raise DataError(f"a clip has {len(frames)} frames of 32 ms; the autoencoder needs {STACKED_FRAMES} at least")
    return frames.unfold(0, STACKED_FRAMES, 1).transpose(1, 2).flatten(1)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as it ended: mean squared errors (dB squared) per number."""

    epoch: int
    loss: float
    validation_loss: float | None


def train_autoencoder(
    clips: Sequence[Tensor],
    settings: AutoencoderSettings,
    *,
    device: torch.device | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Autoencoder:
    """Train on the stacked frames of `clips`, each (T, 128); returned in evaluation mode.

    The same seed and kind of device give the same weights. On a CPU one thread does it: layers of this size gain
    nothing from a second one, and lose tenfold where that has to share its core. Raises DataError for clips too short.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(clips, settings, device or torch.device("cpu"), on_epoch)
    finally:
        torch.set_num_threads(threads)


def _train(
    clips: Sequence[Tensor],
    settings: AutoencoderSettings,
    device: torch.device,
    on_epoch: Callable[[Epoch], None] | None,
) -> Autoencoder:
    frames = torch.cat(list(clips)).to(device)
    starts = _starts([len(clip) for clip in clips])
    if len(starts) < 2:
        raise DataError("the training clips give a single vector of five frames; the autoencoder needs more sound")
    order = torch.randperm(len(starts), generator=torch_generator(settings.seed, "autoencoder", "validation"))
    # Batch normalisation needs two of everything.
    validation = min(round(settings.validation * len(starts)), len(starts) - 2)
    held_out, trained = starts[order[:validation]], starts[order[validation:]]
    torch.manual_seed(derived_seed(settings.seed, "autoencoder", "first weights"))
    network = Autoencoder().to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    window = torch.arange(STACKED_FRAMES)

    def batch(first: Tensor) -> Tensor:
        return frames[(first[:, None] + window).to(device)].flatten(1)

    for epoch in range(settings.epochs):
        network.train()
        shuffle = torch_generator(settings.seed, "autoencoder", "order", epoch)
        shuffled = trained[torch.randperm(len(trained), generator=shuffle)]
        total, count = torch.zeros((), device=device), 0
        for first in shuffled.split(settings.batch_size):
            if len(first) < 2:
                continue
            vectors = batch(first)
            optimiser.zero_grad(set_to_none=True)
            loss = nn.functional.mse_loss(network(vectors), vectors)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(first)
            count += len(first)
        network.eval()
        if on_epoch is not None:
            with torch.inference_mode():
                errors = [
                    nn.functional.mse_loss(network(batch(first)), batch(first), reduction="sum")
                    for first in held_out.split(4096)
                ]
            numbers = validation * STACKED_FRAMES * MEL_BANDS
            on_epoch(Epoch(epoch + 1, float(total) / count, float(sum(errors)) / numbers if validation else None))
    return network.eval()


def _starts(lengths: Sequence[int]) -> Tensor:
    """Where every vector begins, in all frames one after another."""
    starts = []
    first = 0
    for length in lengths:
        if length < STACKED_FRAMES:
            raise DataError(f"a clip has {length} frames of 32 ms; the autoencoder needs {STACKED_FRAMES} at least")
        starts.append(torch.arange(first, first + length - STACKED_FRAMES + 1))
        first += length
    return torch.cat(starts)


@torch.inference_mode()
def residual(network: Autoencoder, frames: Tensor) -> Tensor:
    """What the network gets wrong about a clip (T, 128): (T - 4, 5, 128), in decibels."""
    vectors = stacked(frames)
    device = next(network.parameters()).device
    missed = vectors.to(device) - network(vectors.to(device))
    apart: Tensor = missed.unflatten(1, (STACKED_FRAMES, MEL_BANDS))
    return apart.cpu()


def mean_squared_error(missed: Tensor) -> float:
    """The score of the simple mode, from what `residual` gave."""
    return float(missed.double().square().mean())


class ErrorCovariance:
    """Covariance (128, 128) of the errors of single frames, gathered clip by clip."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = torch.zeros(MEL_BANDS, dtype=torch.float64)
        self._products = torch.zeros(MEL_BANDS, MEL_BANDS, dtype=torch.float64)

    def add(self, missed: Tensor) -> None:
        """Take what `residual` gave for one clip, (T - 4, 5, 128)."""
        errors = missed.double().flatten(0, 1)
        self._count += len(errors)
        self._sum += errors.sum(dim=0)
        self._products += errors.T @ errors

    @property
    def empty(self) -> bool:
        """True before the first clip."""
        return self._count == 0

    def precision(self) -> Tensor:
        """The inverse of the covariance; directions without variance are left out of it."""
        mean = self._sum / self._count
        covariance = (self._products - self._count * torch.outer(mean, mean)) / (self._count - 1)
        inverse: Tensor = torch.linalg.pinv(covariance, hermitian=True)
        return inverse


class SelectiveMahalanobis:
    """The score of the selective Mahalanobis mode: how strange a clip's error is for the domain it resembles most.

    Fitted to the errors of each domain, source and target where there is one. As in the published code, it is the
    error averaged over the clip that is measured, with no mean taken off: min over the domains of e^T C^-1 e. (The
    paper averages the distances of single frames instead.)
    """

    def __init__(self, *domains: ErrorCovariance) -> None:
        self._precisions = [errors.precision() for errors in domains if not errors.empty]

    def __call__(self, missed: Tensor) -> float:
        """Score of a clip from what `residual` gave, (T - 4, 5, 128)."""
        mean = missed.double().flatten(0, 1).mean(dim=0)
        return min(float(mean @ precision @ mean) for precision in self._precisions)
