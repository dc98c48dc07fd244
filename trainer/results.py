"""What a system makes of the test clips: scores and decisions clip by clip, and the figures that follow from them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdstream import atomic
from trainer.catalogue import Clip
from trainer.errors import DataError
from trainer.metrics import SectionFigures, harmonic_mean, section_figures
from trainer.submission import read_scores, write_submission

RESULT_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True, eq=False)
class SectionResult:
    """One section of one machine: its test clips, their anomaly scores (N,), and the threshold of the decisions."""

    machine: str
    section: str
    train_clips: int
    clips: tuple[Clip, ...]
    scores: NDArray[np.float64]
    threshold: float

    @property
    def truth_known(self) -> bool:
        """False where the names of the clips hide it, as in evaluation sets."""
        return all(clip.anomalous is not None for clip in self.clips)

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """The truth (N,); meaningless where it is not known."""
        return np.array([bool(clip.anomalous) for clip in self.clips])

    @property
    def domains(self) -> NDArray[np.str_]:
        """Domain of each clip (N,)."""
        return np.array([str(clip.domain) for clip in self.clips])

    @property
    def figures(self) -> SectionFigures | None:
        """The official figures; None where the truth is not known."""
        return section_figures(self.anomalous, self.scores, self.domains) if self.truth_known else None

    def to_dict(self) -> dict[str, object]:
        """As plain values, without the clips, which the submission files list."""
        figures = self.figures
        return {
            "machine": self.machine,
            "section": self.section,
            "train_clips": self.train_clips,
            "test_clips": len(self.clips),
            "threshold": self.threshold,
            "figures": None if figures is None else {**asdict(figures), "harmonic_mean": figures.harmonic_mean},
        }


@dataclass(frozen=True, slots=True, eq=False)
class SystemResult:
    """Every section that a system scored; `described` says with plain values which system it was."""

    system: str
    described: Mapping[str, object]
    sections: tuple[SectionResult, ...] = field(default=())

    @property
    def harmonic_mean(self) -> float | None:
        """The official score over all sections whose truth is known; None where there is none."""
        return _mean_of(self.sections)

    @property
    def by_machine(self) -> dict[str, float]:
        """Harmonic mean of each machine whose truth is known."""
        means = {
            machine: _mean_of([section for section in self.sections if section.machine == machine])
            for machine in dict.fromkeys(section.machine for section in self.sections)
        }
        return {machine: mean for machine, mean in means.items() if mean is not None}

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "system": self.system,
            **self.described,
            "sections": [section.to_dict() for section in self.sections],
            "harmonic_mean": self.harmonic_mean,
        }


def write_result(folder: Path, result: SystemResult, **further: object) -> None:
    """Write the submission files of every section, and `evaluation.json` with `further` entries, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in result.sections:
        write_submission(
            folder,
            section.machine,
            section.section,
            files=[clip.file for clip in section.clips],
            scores=section.scores.tolist(),
            threshold=section.threshold,
        )
    atomic.write_text(folder / RESULT_FILE, json.dumps({**result.to_dict(), **further}, indent=2) + "\n")


def _mean_of(sections: list[SectionResult] | tuple[SectionResult, ...]) -> float | None:
    figures = [value for section in sections if (known := section.figures) for value in known.known]
    return harmonic_mean(figures) if figures else None


def read_result(folder: Path, clips: Mapping[tuple[str, str], Sequence[Clip]]) -> SystemResult:
    """Read back what `write_result` wrote; `clips` are the training and test clips of each section.

    Raises DataError where the folder holds no such thing, or its clips are not those of the data.
    """
    path = folder / RESULT_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name = str(content["system"])
        sections = tuple(
            _read_section(folder, entry, clips[entry["machine"], entry["section"]])
            for entry in content["sections"]
            if (entry["machine"], entry["section"]) in clips
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not an evaluation that `asdtrain evaluate` or `baseline` wrote ({error})"
        ) from error
    return SystemResult(name, {key: content[key] for key in ("settings",) if key in content}, sections)


def _read_section(folder: Path, entry: Mapping[str, Any], clips: Sequence[Clip]) -> SectionResult:
    scores = read_scores(folder, entry["machine"], entry["section"])
    test = tuple(clip for clip in clips if clip.split == "test")
    missing = [clip.file for clip in test if clip.file not in scores]
    if missing:
        raise DataError(
            f"{folder} has no score for {missing[0]} and {len(missing) - 1} other test clips; measure the system on "
            "the same data"
        )
    values = np.array([scores[clip.file] for clip in test])
    return SectionResult(entry["machine"], entry["section"], entry["train_clips"], test, values, entry["threshold"])
