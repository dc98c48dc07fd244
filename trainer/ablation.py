"""Compares ways of scoring with one encoder, on clips that no official figure is computed from."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rich.console import Console

from asdstream import atomic
from asdstream.audio.simulator.dataset import ClipCounts, write_dcase
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.bundle import Bundle
from trainer.backends.choices import BACK_ENDS
from trainer.catalogue import Catalogue
from trainer.comparison import ComparedSystem, compare, comparison_table
from trainer.errors import DataError
from trainer.evaluate import EvaluationSettings, Pooling, described, embed_sections, score_section
from trainer.measured_clips import clips_by_section
from trainer.progress import StageProgress
from trainer.results import SystemResult

MACHINE_TYPES = ("fan", "pump", "gearbox", "valve")
IDENTITY = 11
"""No recipe that ships trains on this machine."""
COUNTS = ClipCounts(source_train=40, target_train=8, test=10)
LOUDNESS = 2.5
"""What is tried beside the embeddings of a bundle that has none."""
SEVERITY = (0.2, 0.6)
"""Faults that are not heard at once; full ones would not tell the ways of scoring apart."""


def simulate(root: Path, seed: int, console: Console, machine_types: Sequence[str] = MACHINE_TYPES) -> None:
    """Write healthy and faulty recordings of simulated machines under `root`, in the DCASE layout.

    The target domain is the same machine at another load, through another microphone, in more noise.
    """
    with StageProgress(console).counting("simulating machines", len(machine_types)) as counter:
        for machine_type in machine_types:
            source = [MachineSpec(machine_type, IDENTITY, load=load, snr_db=9.0) for load in (0.5, 0.7, 0.9)]
            target = [
                replace(spec, load=spec.load - 0.2, microphone="electret", snr_db=5.0, background="workshop")
                for spec in source
            ]
            write_dcase(root, source, target, counts=COUNTS, seed=seed, faults=None, severity=SEVERITY)
            counter.advance()


def refuse_official_test_clips(catalogue: Catalogue) -> None:
    """Raise DataError where the abnormal clips are those that the official figures are computed from."""
    if any(clip.split == "test" and clip.path.parent.name.endswith("test") for clip in catalogue.clips):
        raise DataError(
            f"the abnormal clips under {catalogue.root} are official test clips, and what is chosen on them flatters "
            "the figures computed from them; leave out --data to compare on simulated machines, name a folder of "
            "<machine>/{normal,abnormal}, or say --test-clips and quote the choice as made on the test"
        )


def variants_of(bundle: Bundle) -> list[EvaluationSettings]:
    """Every way of scoring that `bundle` allows, the method's own first."""
    given = {branch.pooling for branch in bundle.branches}
    ways: tuple[Pooling, ...] = ("mean", "bands")
    loudness = 0.0 if any(branch.loudness for branch in bundle.branches) else LOUDNESS
    embeddings = [
        EvaluationSettings(),
        *(EvaluationSettings(pooling=pooling) for pooling in ways if given != {pooling}),
        EvaluationSettings(loudness=loudness),
    ]
    scales = (False, True) if len(bundle.branches) > 1 else (False,)
    return [
        replace(embedding, back_end=name, normalise_branches=normalise)
        for embedding in embeddings
        for name in BACK_ENDS
        for normalise in scales
    ]


def ablate(
    bundle: Bundle, catalogue: Catalogue, machines: Sequence[str] | None = None, *, seed: int, console: Console
) -> list[ComparedSystem]:
    """Score the test clips of `catalogue` in every way that `bundle` allows; errors as `evaluate`."""
    sections = list(clips_by_section(catalogue, machines).values())
    if any(clip.anomalous is None for clips in sections for clip in clips):
        raise DataError(f"some names under {catalogue.root} do not tell normal clips from abnormal ones")
    settings = [replace(variant, seed=seed) for variant in variants_of(bundle)]
    results = []
    for (pooling, loudness), variants in groupby(settings, lambda variant: (variant.pooling, variant.loudness)):
        embedding = EvaluationSettings(pooling=pooling, loudness=loudness, seed=seed)
        embedded = embed_sections(bundle, sections, embedding, console)
        for variant in variants:
            scored = tuple(score_section(section, variant).result for section in embedded)
            results.append((variant.name, SystemResult(bundle.name, described(bundle, variant), scored)))
    return compare(results, seed)


def summary(variants: Sequence[ComparedSystem], clips: str) -> str:
    """A Markdown table of the variants, which says which `clips` they were compared on."""
    return f"Ways of scoring, compared on {clips}.\n\n{comparison_table(variants)}"


def write_ablation(folder: Path, variants: Sequence[ComparedSystem], clips: str) -> None:
    """Write `ablation.json` and `ablation.md` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"clips": clips, "variants": [variant.to_dict() for variant in variants]}
    atomic.write_text(folder / "ablation.json", json.dumps(content, indent=2) + "\n")
    atomic.write_text(folder / "ablation.md", summary(variants, clips))
