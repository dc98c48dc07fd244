"""Measures a bundle as DCASE Task 2 measures a system: prototypes from training clips, figures from test clips."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.bundle import Bundle
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.embeddings import RecordingEmbedder, Vectors
from trainer.errors import DataError
from trainer.folder_sound import clip_recording
from trainer.measured_clips import clips_by_section
from trainer.progress import StageProgress
from trainer.prototypes import Prototypes, fit_prototypes, window_scores
from trainer.randomness import derived_seed, numpy_generator
from trainer.results import SectionResult, SystemResult

FOLDS = 5
DECISION_QUANTILE = 0.9
"""A clip is called anomalous over this quantile of normal scores, as the official baseline does."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How clips are scored. Nothing here is fitted on test clips."""

    source_prototypes: int = 16
    target_prototypes: int = 10
    hop_seconds: float = 1.0
    seed: int = 0


Embedded = tuple[Clip, Vectors]


def evaluate(
    bundle: Bundle,
    catalogue: Catalogue,
    machines: Sequence[str] | None = None,
    *,
    settings: EvaluationSettings,
    console: Console,
) -> SystemResult:
    """Score the test clips of `machines` (all where None).

    Raises DataError where a section lacks training or test clips, or the same clip lies in two folders.
    """
    sections = clips_by_section(catalogue, machines)
    embedder = RecordingEmbedder(bundle, threads=torch.get_num_threads())
    results = []
    with StageProgress(console).counting("embedding", sum(map(len, sections.values()))) as counter:
        for clips in sections.values():
            recordings = [clip_recording(clip) for clip in clips]
            vectors = embedder.embed(recordings, settings.hop_seconds, counter.advance)
            results.append(_evaluate_section(list(zip(clips, vectors, strict=True)), settings))
    described = {"bundle": bundle.name, "bundle_sha256": bundle.sha256, "settings": asdict(settings)}
    return SystemResult(bundle.name, described, tuple(results))


def _evaluate_section(embedded: Sequence[Embedded], settings: EvaluationSettings) -> SectionResult:
    train = [pair for pair in embedded if pair[0].split == "train"]
    test = [pair for pair in embedded if pair[0].split == "test"]
    machine, section = test[0][0].machine, test[0][0].section
    if sum(clip.domain is Domain.SOURCE for clip, _ in train) < FOLDS:
        raise DataError(f"{machine} section {section} has fewer than {FOLDS} source-domain training clips")
    return SectionResult(
        machine=machine,
        section=section,
        train_clips=len(train),
        clips=tuple(clip for clip, _ in test),
        scores=clip_scores(_fit(train, settings), [vectors for _, vectors in test]),
        threshold=float(np.quantile(held_out_scores(train, settings), DECISION_QUANTILE)),
    )


def _fit(train: Sequence[Embedded], settings: EvaluationSettings) -> Prototypes:
    every = max(1, round(WINDOW_SECONDS / settings.hop_seconds))
    source = [vectors for clip, vectors in train if clip.domain is Domain.SOURCE]
    target = [
        {branch: rows[::every] for branch, rows in vectors.items()}
        for clip, vectors in train
        if clip.domain is Domain.TARGET
    ]
    seed = derived_seed(settings.seed, "centroids", train[0][0].machine, train[0][0].section)
    return fit_prototypes(source, target[: settings.target_prototypes], settings.source_prototypes, seed)


def clip_scores(prototypes: Prototypes, clips: Sequence[Vectors]) -> NDArray[np.float64]:
    """The mean over its windows is the score of a clip: (clips,)."""
    return np.array([window_scores(prototypes, vectors).mean() for vectors in clips])


def held_out_scores(train: Sequence[Embedded], settings: EvaluationSettings) -> NDArray[np.float64]:
    """Each training clip scored against prototypes of the other four fifths of the training clips, of both domains."""
    folds = np.empty(len(train), dtype=int)
    for domain in Domain:
        members = [index for index, (clip, _) in enumerate(train) if clip.domain is domain]
        order = numpy_generator(settings.seed, "folds", domain).permutation(len(members))
        folds[members] = order % FOLDS
    scores = np.empty(len(train))
    for fold in range(FOLDS):
        inside = folds == fold
        prototypes = _fit([pair for pair, out in zip(train, inside, strict=True) if not out], settings)
        scores[inside] = clip_scores(prototypes, [pair[1] for pair, out in zip(train, inside, strict=True) if out])
    return scores
