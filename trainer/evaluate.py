"""Measures a bundle as DCASE Task 2 measures a system: prototypes from training clips, figures from test clips."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from asdstream import atomic
from asdstream.audio.window import WINDOW_SECONDS
from asdstream.bundle import Bundle
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.embeddings import RecordingEmbedder, Vectors
from trainer.errors import DataError
from trainer.folder_sound import clip_recording
from trainer.metrics import SectionFigures, harmonic_mean, section_figures
from trainer.progress import StageProgress
from trainer.prototypes import Prototypes, fit_prototypes, window_scores
from trainer.randomness import derived_seed, numpy_generator
from trainer.submission import write_submission

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


@dataclass(frozen=True, slots=True)
class SectionResult:
    """One section of one machine; `figures` is None where the names of its test clips hide the truth."""

    machine: str
    section: str
    train_clips: int
    test_clips: int
    threshold: float
    figures: SectionFigures | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every section, and the harmonic mean of all figures (None where there is no truth)."""

    bundle: str
    bundle_sha256: str
    settings: EvaluationSettings
    sections: tuple[SectionResult, ...] = field(default=())

    @property
    def harmonic_mean(self) -> float | None:
        """The official score."""
        figures = [value for section in self.sections if section.figures for value in section.figures.known]
        return harmonic_mean(figures) if figures else None

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        content = asdict(self)
        content["harmonic_mean"] = self.harmonic_mean
        for section, result in zip(content["sections"], self.sections, strict=True):
            if result.figures is not None:
                section["figures"]["harmonic_mean"] = result.figures.harmonic_mean
        return content


def evaluate(
    bundle: Bundle,
    catalogue: Catalogue,
    machines: Sequence[str] | None = None,
    *,
    out: Path,
    settings: EvaluationSettings,
    console: Console,
) -> Evaluation:
    """Score the test clips of `machines` (all where None); writes the submission files and `evaluation.json` to `out`.

    Raises DataError where a section lacks training or test clips, or the same clip lies in two folders.
    """
    chosen = catalogue.chosen(machines)
    sections = sorted({(clip.machine, clip.section) for clip in chosen if clip.split == "test"})
    if not sections:
        raise DataError(f"there are no test clips under {catalogue.root}; they should lie in <machine>/test/")
    _refuse_twins(chosen)
    out.mkdir(parents=True, exist_ok=True)
    embedder = RecordingEmbedder(bundle, threads=torch.get_num_threads())
    results = []
    with StageProgress(console).counting("embedding", len(chosen)) as counter:
        for machine, section in sections:
            clips = [clip for clip in chosen if (clip.machine, clip.section) == (machine, section)]
            recordings = [clip_recording(clip) for clip in clips]
            vectors = embedder.embed(recordings, settings.hop_seconds, counter.advance)
            results.append(_evaluate_section(list(zip(clips, vectors, strict=True)), out, settings))
    evaluation = Evaluation(bundle.name, bundle.sha256, settings, tuple(results))
    atomic.write_text(out / "evaluation.json", json.dumps(evaluation.to_dict(), indent=2) + "\n")
    return evaluation


Embedded = tuple[Clip, Vectors]


def _refuse_twins(clips: Sequence[Clip]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for clip in clips:
        twin = seen.setdefault((clip.machine, clip.path.name), clip.path)
        if twin != clip.path:
            raise DataError(
                f"{twin} and {clip.path} are the same clip of {clip.machine}; choose one folder with --data"
            )


def _evaluate_section(embedded: Sequence[Embedded], out: Path, settings: EvaluationSettings) -> SectionResult:
    train = [pair for pair in embedded if pair[0].split == "train"]
    test = [pair for pair in embedded if pair[0].split == "test"]
    machine, section = test[0][0].machine, test[0][0].section
    if sum(clip.domain is Domain.SOURCE for clip, _ in train) < FOLDS:
        raise DataError(f"{machine} section {section} has fewer than {FOLDS} source-domain training clips")
    scores = clip_scores(_fit(train, settings), [vectors for _, vectors in test])
    threshold = float(np.quantile(held_out_scores(train, settings), DECISION_QUANTILE))
    names = [clip.path.name for clip, _ in test]
    write_submission(out, machine, section, files=names, scores=scores.tolist(), threshold=threshold)
    known = [clip.anomalous for clip, _ in test]
    figures = None
    if all(truth is not None for truth in known):
        figures = section_figures([bool(truth) for truth in known], scores, [clip.domain for clip, _ in test])
    return SectionResult(machine, section, len(train), len(test), threshold, figures)


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
