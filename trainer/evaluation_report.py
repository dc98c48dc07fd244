"""Everything that an evaluation leaves in a folder."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path

from rich.console import Console

from asdstream import atomic
from asdstream import bundle as bundles
from asdstream.bundle import Bundle
from trainer.bootstrap import CONFIDENCE, RESAMPLES
from trainer.catalogue import Catalogue
from trainer.clips_picture import draw_clips
from trainer.comparison import ComparedSystem, compare, comparison_table
from trainer.evaluate import EvaluationSettings, MeasuredSection, evaluate, way_to_hear
from trainer.evaluation_pictures import draw_embeddings, draw_roc, draw_scores
from trainer.measured_clips import clips_by_section
from trainer.published_table import published_table
from trainer.results import RESULT_FILE, SectionResult, SystemResult, read_result, write_result


class EvaluationRun:
    """Measures systems on one set of clips and leaves what it finds in `out`."""

    def __init__(
        self,
        catalogue: Catalogue,
        machines: Sequence[str] | None,
        settings: EvaluationSettings,
        out: Path,
        console: Console,
        *,
        pictures: bool,
    ) -> None:
        self._catalogue = catalogue
        self._machines = machines
        self._settings = settings
        self._out = out
        self._console = console
        self._pictures = pictures

    def measure(self, references: Sequence[str]) -> list[ComparedSystem]:
        """Measure the bundles that `references` name, and take in folders of results for the same clips.

        Raises AsdstreamError of some kind for a bundle or folder that cannot be used.
        """
        results: list[tuple[str, SystemResult]] = []
        folders: list[Path] = []
        # What cannot be used is said before anything takes minutes.
        for opened in [self._open(reference) for reference in references]:
            result, measured = (opened, []) if isinstance(opened, SystemResult) else self._evaluate(opened)
            taken = [name for name, _ in results]
            names = chain([result.system], (f"{result.system} {number}" for number in count(2)))
            name = next(name for name in names if name not in taken)
            results.append((name, result))
            folders.append(self._out if len(references) == 1 else self._out / re.sub(r"[^A-Za-z0-9._-]+", "-", name))
            if self._pictures:
                draw(folders[-1], result, measured, self._settings)
        compared = compare(results, self._settings.seed)
        for folder, system in zip(folders, compared, strict=True):
            write_system(folder, system)
        write_tables(self._out, compared)
        return compared

    @staticmethod
    def tables(compared: Sequence[ComparedSystem]) -> str:
        """What there is to read, as Markdown: the comparison, and the report's table."""
        return "\n".join([comparison_table(compared), published_table(compared)])

    def _open(self, reference: str) -> SystemResult | Bundle:
        path = bundles.resolve(reference)
        if (path / RESULT_FILE).exists():
            return read_result(path, clips_by_section(self._catalogue, self._machines))
        bundle = bundles.load(path)
        for machine, _ in clips_by_section(self._catalogue, self._machines):
            way_to_hear(bundle, machine, self._settings.separate)
        return bundle

    def _evaluate(self, bundle: Bundle) -> tuple[SystemResult, list[MeasuredSection]]:
        return evaluate(bundle, self._catalogue, self._machines, settings=self._settings, console=self._console)


def write_system(folder: Path, system: ComparedSystem) -> None:
    """The submission files of one system, and `evaluation.json` with the interval of its score."""
    interval = (
        {**asdict(system.interval), "confidence": CONFIDENCE, "resamples": RESAMPLES} if system.interval else None
    )
    write_result(folder, system.result, interval=interval)


def write_tables(folder: Path, compared: Sequence[ComparedSystem]) -> None:
    """`table1.md`, and where there are several systems `comparison.md` and `comparison.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "table1.md", published_table(compared))
    if len(compared) > 1:
        atomic.write_text(folder / "comparison.md", comparison_table(compared))
        content = {"systems": [system.to_dict() for system in compared]}
        atomic.write_text(folder / "comparison.json", json.dumps(content, indent=2) + "\n")


def draw(folder: Path, result: SystemResult, measured: Sequence[MeasuredSection], settings: EvaluationSettings) -> None:
    """Histograms and ROC curves of every section, the map of its embeddings in every branch, and the clips that scored
    highest and lowest, into `pictures/`.

    There are no maps and no clips of what was `measured` elsewhere.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for section in result.sections:
        if section.truth_known:
            draw_scores(pictures / f"scores_{_name(section)}.png", section)
            draw_roc(pictures / f"roc_{_name(section)}.png", section)
    for found in measured:
        for branch in found.scorer.branches:
            path = pictures / f"embeddings_{_name(found.result)}_{branch}.png"
            draw_embeddings(path, found.embedded, found.scorer, branch, settings.seed)
        draw_clips(pictures / f"clips_{_name(found.result)}.png", found, settings)


def _name(section: SectionResult) -> str:
    return f"{section.machine}_section_{section.section}"
