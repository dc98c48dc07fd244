"""The floor on any data: the autoencoder of DCASE Task 2 in its two modes, and what needs no training at all."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy import stats
from torch import Tensor

from trainer.autoencoder import (
    Autoencoder,
    AutoencoderSettings,
    Epoch,
    ErrorCovariance,
    SelectiveMahalanobis,
    mean_squared_error,
    residual,
    train_autoencoder,
)
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.errors import DataError
from trainer.folder_sound import read_clip
from trainer.log_mel import log_mel
from trainer.measured_clips import clips_by_section
from trainer.products import Product, Products
from trainer.progress import StageCounter, StageProgress
from trainer.results import SectionResult, SystemResult

DECISION_QUANTILE = 0.9
"""A clip is called anomalous over this quantile of a gamma distribution fitted to the scores of training clips."""

MODES = {
    "mse": "autoencoder, MSE",
    "mahalanobis": "autoencoder, selective Mahalanobis",
    "statistics": "log-mel mean and deviation, nearest training clip",
}

LEAST_TRAINING_CLIPS = 2
"""One to be held against another, for the threshold."""

Heard = tuple[Clip, Tensor]
"""A clip and its log-mel frames (T, 128)."""


@dataclass(frozen=True, slots=True)
class TrainedAutoencoder:
    """The autoencoder of one machine, and how its training went; the losses are those of the last epoch."""

    network: Autoencoder
    loss: float
    validation_loss: float | None
    seconds: float


def run_baseline(
    catalogue: Catalogue,
    machines: Sequence[str] | None = None,
    *,
    settings: AutoencoderSettings,
    console: Console,
    kept: Path,
) -> dict[str, SystemResult]:
    """Train one autoencoder for each machine on its training clips, and score its test clips; a result by mode.

    Trained autoencoders go to the folder `kept`, so that a run that was stopped goes on with the next machine; one of
    other clips or settings is trained anew.

    The published code fits its gamma distribution to the losses of training batches, which mix vectors of many clips;
    here it is fitted to the scores of whole training clips, which is what it is compared with. Raises DataError where
    a machine lacks training or test clips.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    progress = StageProgress(console)
    products = Products(kept)
    sections = clips_by_section(catalogue, machines)
    for (machine, section), found in sections.items():
        count = sum(clip.split == "train" for clip in found)
        if count < LEAST_TRAINING_CLIPS:
            raise DataError(
                f"{machine} section {section} has {count} training clips under {catalogue.root}; the baseline needs "
                f"{LEAST_TRAINING_CLIPS} at least"
            )
    results: dict[str, list[SectionResult]] = {mode: [] for mode in MODES}
    trainings: dict[str, dict[str, float | None]] = {}
    for machine in dict.fromkeys(machine for machine, _ in sections):
        clips = [clip for (of, _), found in sections.items() if of == machine for clip in found]
        with progress.counting(f"{machine}: log-mel", len(clips)) as counter:
            heard = [_hear(clip, counter) for clip in clips]
        train = [pair for pair in heard if pair[0].split == "train"]
        fingerprint = _fingerprint(train, settings, device)
        name = f"autoencoder-{machine}"
        if products.fingerprint(name) != fingerprint:
            with progress.counting(f"{machine}: autoencoder", settings.epochs) as counter:
                products.write(name, _train(train, settings, device, counter), fingerprint)
        trained = _kept(products, name, device)
        trainings[machine] = {
            "loss": trained.loss,
            "validation_loss": trained.validation_loss,
            "seconds": round(trained.seconds, 1),
        }
        scores = {**_scores(trained.network, heard), "statistics": statistics_scores(heard)}
        for mode in MODES:
            results[mode] += _by_section(clips, scores[mode])
    described = {"settings": asdict(settings), "device": device.type, "training": trainings}
    return {mode: SystemResult(name, described, tuple(results[mode])) for mode, name in MODES.items()}


def _hear(clip: Clip, counter: StageCounter) -> Heard:
    frames = log_mel(torch.from_numpy(read_clip(clip.path)))
    counter.advance()
    return clip, frames


def _fingerprint(train: Sequence[Heard], settings: AutoencoderSettings, device: torch.device) -> str:
    """Of all that the weights depend on."""
    heard = hashlib.sha256(json.dumps([asdict(settings), device.type]).encode())
    for _, frames in train:
        heard.update(frames.numpy().tobytes())
    return heard.hexdigest()


def _kept(products: Products, name: str, device: torch.device) -> TrainedAutoencoder:
    product = products.read(name)
    network = Autoencoder()
    network.load_state_dict(dict(product.tensors))
    return TrainedAutoencoder(network.to(device).eval(), **product.facts)


def _train(
    train: Sequence[Heard], settings: AutoencoderSettings, device: torch.device, counter: StageCounter
) -> Product:
    epochs: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        held_out = "" if epoch.validation_loss is None else f", held out {epoch.validation_loss:.2f}"
        epochs.append(epoch)
        counter.advance(1, f"loss {epoch.loss:.2f}{held_out}", len(train))

    began = time.monotonic()
    network = train_autoencoder([frames for _, frames in train], settings, device=device, on_epoch=report)
    facts = {
        "loss": epochs[-1].loss,
        "validation_loss": epochs[-1].validation_loss,
        "seconds": time.monotonic() - began,
    }
    return Product(network.state_dict(), facts)


def _scores(network: Autoencoder, heard: Sequence[Heard]) -> dict[str, NDArray[np.float64]]:
    """Scores of every clip of one machine by mode; the covariances are those of the training clips."""
    covariances = {domain: ErrorCovariance() for domain in Domain}
    for clip, frames in heard:
        if clip.split == "train":
            covariances[clip.domain].add(residual(network, frames))
    mahalanobis = SelectiveMahalanobis(*covariances.values())
    scores = np.empty((len(heard), 2))
    for index, (_, frames) in enumerate(heard):
        # Computed again: the errors of a thousand clips would fill a gigabyte.
        missed = residual(network, frames)
        scores[index] = mean_squared_error(missed), mahalanobis(missed)
    return {"mse": scores[:, 0], "mahalanobis": scores[:, 1]}


def statistics_scores(heard: Sequence[Heard]) -> NDArray[np.float64]:
    """Cosine distance of each clip to the nearest training clip of its section, itself left out: (clips,).

    A clip is the mean and the standard deviation over time of its log-mel bands, 256 numbers.
    """
    rows = np.stack([torch.cat([frames.mean(0), frames.std(0)]).numpy() for _, frames in heard]).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    distances = 1.0 - rows @ rows.T
    np.fill_diagonal(distances, np.inf)
    sections = np.array([clip.section for clip, _ in heard])
    train = np.array([clip.split == "train" for clip, _ in heard])
    distances[~(train & (sections[:, None] == sections))] = np.inf
    return np.asarray(distances.min(axis=1))


def _by_section(clips: Sequence[Clip], scores: NDArray[np.float64]) -> list[SectionResult]:
    train = np.array([clip.split == "train" for clip in clips])
    threshold = gamma_threshold(scores[train])
    results = []
    for section in sorted({clip.section for clip in clips}):
        here = np.array([clip.section == section for clip in clips])
        test = np.flatnonzero(here & ~train)
        results.append(
            SectionResult(
                machine=clips[0].machine,
                section=section,
                train_clips=int((here & train).sum()),
                clips=tuple(clips[int(index)] for index in test),
                scores=scores[test],
                threshold=threshold,
            )
        )
    return results


def gamma_threshold(scores: NDArray[np.float64]) -> float:
    """The 0.9 quantile of a gamma distribution, beginning at zero, fitted to positive `scores` of normal clips.

    Copies of a clip, which score zero, say nothing of how scores vary. With a single score, or several that do not
    differ, that score; zero where all are zero.
    """
    scores = scores[scores > 0.0]
    if not len(scores):
        return 0.0
    if np.ptp(scores) <= 1e-12 * np.abs(scores).max(initial=0.0):
        return float(scores[0])
    shape, start, scale = stats.gamma.fit(scores, floc=0.0)
    return float(stats.gamma.ppf(DECISION_QUANTILE, shape, start, scale))
