"""Measures a bundle as DCASE Task 2 measures a system: prototypes from training clips, figures from test clips."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import torch
from rich.console import Console

from asdstream.bundle import Branch, Bundle
from trainer.backends.choices import DEFAULT, back_end
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.embeddings import RecordingEmbedder
from trainer.errors import DataError, TrainerError
from trainer.folder_sound import clip_recording
from trainer.measured_clips import clips_by_section
from trainer.progress import StageProgress
from trainer.results import SectionResult, SystemResult
from trainer.section_scorer import FOLDS, Embedded, SectionScorer, fit_section

DECISION_QUANTILE = 0.9
"""A clip is called anomalous over this quantile of normal scores, as the official baseline does."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSection:
    """One section as it was measured: what came out, what scored it, and the embeddings of its clips."""

    result: SectionResult
    scorer: SectionScorer
    embedded: Sequence[Embedded]


Pooling = Literal["bundle", "mean", "bands"]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How clips are scored; the defaults are the method's. Nothing here is fitted on test clips."""

    back_end: str = DEFAULT
    normalise_branches: bool = False
    pooling: Pooling = "bundle"
    """What the bundle says, or the same for all its branches."""
    hop_seconds: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The way of scoring in a few words."""
        said = [self.back_end]
        if self.normalise_branches:
            said.append("normalised branches")
        if self.pooling != "bundle":
            said.append(f"pooling over {self.pooling}")
        return ", ".join(said)


def evaluate(
    bundle: Bundle,
    catalogue: Catalogue,
    machines: Sequence[str] | None = None,
    *,
    settings: EvaluationSettings,
    console: Console,
) -> tuple[SystemResult, list[MeasuredSection]]:
    """Score the test clips of `machines` (all where None).

    Raises DataError where a section lacks training or test clips, or the same clip lies in two folders.
    """
    sections = clips_by_section(catalogue, machines)
    embedded = embed_sections(bundle, list(sections.values()), settings, console)
    measured = [score_section(section, settings) for section in embedded]
    name = bundle.name if settings == EvaluationSettings() else f"{bundle.name} ({settings.name})"
    return SystemResult(name, described(bundle, settings), tuple(section.result for section in measured)), measured


def described(bundle: Bundle, settings: EvaluationSettings) -> dict[str, object]:
    """Which bundle was measured, and how, as plain values."""
    return {
        "bundle": bundle.name,
        "bundle_sha256": bundle.sha256,
        "settings": {**asdict(settings), "back_end_settings": asdict(back_end(settings.back_end))},
    }


def embed_sections(
    bundle: Bundle, sections: Sequence[Sequence[Clip]], settings: EvaluationSettings, console: Console
) -> list[list[Embedded]]:
    """Embeddings of every clip of every section, by the engine that the daemon uses."""
    embedder = RecordingEmbedder(with_pooling(bundle, settings.pooling), threads=torch.get_num_threads())
    found = []
    with StageProgress(console).counting(f"{bundle.name}: embedding", sum(map(len, sections))) as counter:
        for clips in sections:
            recordings = [clip_recording(clip) for clip in clips]
            vectors = embedder.embed(recordings, settings.hop_seconds, counter.advance)
            found.append(list(zip(clips, vectors, strict=True)))
    return found


def with_pooling(bundle: Bundle, pooling: Pooling) -> Bundle:
    """`bundle` with another pooling of its branches. Raises TrainerError for a fused branch, which has its own."""
    if pooling == "bundle":
        return bundle
    branches = []
    for branch in bundle.branches:
        if not isinstance(branch, Branch):
            raise TrainerError(
                f"the branch {branch.name!r} of the bundle {bundle.name} is fused and has its own pooling; "
                "leave out --pooling"
            )
        branches.append(replace(branch, pooling=pooling))
    return replace(bundle, branches=tuple(branches))


def score_section(embedded: Sequence[Embedded], settings: EvaluationSettings) -> MeasuredSection:
    """Fit to the training clips of one section and score its test clips."""
    train = [pair for pair in embedded if pair[0].split == "train"]
    test = [pair for pair in embedded if pair[0].split == "test"]
    machine, section = test[0][0].machine, test[0][0].section
    if sum(clip.domain is Domain.SOURCE for clip, _ in train) < FOLDS:
        raise DataError(f"{machine} section {section} has fewer than {FOLDS} source-domain training clips")
    scorer = fit_section(train, back_end(settings.back_end), settings.seed, normalise=settings.normalise_branches)
    result = SectionResult(
        machine=machine,
        section=section,
        train_clips=len(train),
        clips=tuple(clip for clip, _ in test),
        scores=scorer.clip_scores([vectors for _, vectors in test]),
        threshold=float(np.quantile(scorer.held_out, DECISION_QUANTILE)),
    )
    return MeasuredSection(result, scorer, embedded)
