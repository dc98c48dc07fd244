"""Measures a bundle as DCASE Task 2 measures a system: prototypes from training clips, figures from test clips."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.console import Console

from asdstream.bundle import Bundle
from asdstream.bundle.errors import listing
from asdstream.engine.separate_as import BothWays, SeparateAs
from trainer.backends.choices import DEFAULT, back_end
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.embeddings import RecordingEmbedder
from trainer.errors import DataError, TrainerError
from trainer.folder_sound import clip_recording
from trainer.measured_clips import clips_by_section
from trainer.noise_folder import AddedNoise, halves, noise_level, read_noise, with_noise
from trainer.progress import StageProgress
from trainer.results import SectionResult, SystemResult
from trainer.section_scorer import FOLDS, Embedded, SectionScorer, fit_section
from trainer.sound import Recording

DECISION_QUANTILE = 0.9
"""A clip is called anomalous over this quantile of normal scores, as the official baseline does."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSection:
    """One section as it was measured: what came out, what scored it, and the embeddings of its clips."""

    result: SectionResult
    scorer: SectionScorer
    embedded: Sequence[Embedded]


Pooling = Literal["bundle", "mean", "bands"]

Separation = Literal["off", "on", "both"]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How clips are scored; the defaults are the method's. Nothing here is fitted on test clips."""

    back_end: str = DEFAULT
    normalise_branches: bool = False
    pooling: Pooling = "bundle"
    """What the bundle says, or the same for all its branches."""
    loudness: float | None = None
    """Length of what stands beside embeddings of unit length, for all branches; None: what the bundle says."""
    hop_seconds: float = 1.0
    seed: int = 0
    separate: Separation = "off"
    """Whether training and test clips are separated first; of "both" the scores are averaged, on one scale."""
    noise: AddedNoise | None = None
    """Noise mixed into all clips, of other recordings into training clips than into test clips."""

    @property
    def name(self) -> str:
        """The way of scoring in a few words."""
        said = [self.back_end]
        if self.normalise_branches:
            said.append("normalised branches")
        if self.pooling != "bundle":
            said.append(f"pooling over {self.pooling}")
        if self.loudness is not None:
            said.append(f"loudness {self.loudness:g}" if self.loudness else "no loudness")
        if self.separate != "off":
            said.append("separated" if self.separate == "on" else "as it is and separated")
        if self.noise:
            said.append(f"noise at {self.noise.snr_db:g} dB")
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
    separate_as = [way_to_hear(bundle, clips[0].machine, settings.separate) for clips in sections]
    recordings = [clip_recordings(clips, settings.noise, settings.seed) for clips in sections]
    embedder = RecordingEmbedder(embedding_as(bundle, settings), threads=torch.get_num_threads())
    found = []
    with StageProgress(console).counting(f"{bundle.name}: embedding", sum(map(len, sections))) as counter:
        for clips, sounds, way in zip(sections, recordings, separate_as, strict=True):
            heard = embedder.embed(sounds, settings.hop_seconds, counter.advance, way)
            found.append(list(zip(clips, heard, strict=True)))
    return found


def clip_recordings(clips: Sequence[Clip], noise: AddedNoise | None, seed: int) -> list[Recording]:
    """Clips of a section as recordings; training clips with one half of the noise, test clips with the other."""
    recordings = [clip_recording(clip) for clip in clips]
    if noise is None:
        return recordings
    train, test = halves(read_noise(Path(noise.root)))
    normal = [recording for clip, recording in zip(clips, recordings, strict=True) if clip.split == "train"]
    level = noise_level(normal, noise.snr_db)
    return [
        with_noise(recording, train if clip.split == "train" else test, level, seed)
        for clip, recording in zip(clips, recordings, strict=True)
    ]


def way_to_hear(bundle: Bundle, machine: str, separate: Separation) -> SeparateAs | None:
    """How the clips of a machine are heard, as the engine takes it.

    Raises TrainerError where the bundle has no separator for it.
    """
    if separate != "off" and bundle.separator_of(machine) is None:
        raise TrainerError(
            f"the bundle {bundle.name} has no separator for {machine} (its separators: "
            f"{listing(bundle.separators)}); leave out --separate {separate}"
        )
    ways: dict[Separation, SeparateAs | None] = {"off": None, "on": machine, "both": BothWays(machine)}
    return ways[separate]


def embedding_as(bundle: Bundle, settings: EvaluationSettings) -> Bundle:
    """`bundle` with the pooling and the loudness of its branches that `settings` ask for."""
    branches = bundle.branches
    if settings.pooling != "bundle":
        branches = tuple(replace(branch, pooling=settings.pooling) for branch in branches)
    if settings.loudness is not None:
        branches = tuple(replace(branch, loudness=settings.loudness) for branch in branches)
    return replace(bundle, branches=branches)


def score_section(embedded: Sequence[Embedded], settings: EvaluationSettings) -> MeasuredSection:
    """Fit to the training clips of one section and score its test clips."""
    train = [pair for pair in embedded if pair[0].split == "train"]
    test = [pair for pair in embedded if pair[0].split == "test"]
    machine, section = test[0][0].machine, test[0][0].section
    if sum(clip.domain is Domain.SOURCE for clip, _ in train) < FOLDS:
        raise DataError(f"{machine} section {section} has fewer than {FOLDS} source-domain training clips")
    scorer = fit_section(
        train,
        back_end(settings.back_end),
        settings.seed,
        normalise=settings.normalise_branches,
        hearings=2 if settings.separate == "both" else 1,
    )
    result = SectionResult(
        machine=machine,
        section=section,
        train_clips=len(train),
        clips=tuple(clip for clip, _ in test),
        scores=scorer.clip_scores([vectors for _, vectors in test]),
        threshold=float(np.quantile(scorer.held_out, DECISION_QUANTILE)),
    )
    return MeasuredSection(result, scorer, embedded)
