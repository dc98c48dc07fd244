"""What a system makes of the test clips: scores and decisions clip by clip, and the figures that follow from them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdstream import atomic
from trainer.catalogue import Clip
from trainer.metrics import SectionFigures, harmonic_mean, section_figures
from trainer.submission import write_submission


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
            files=[clip.path.name for clip in section.clips],
            scores=section.scores.tolist(),
            threshold=section.threshold,
        )
    atomic.write_text(folder / "evaluation.json", json.dumps({**result.to_dict(), **further}, indent=2) + "\n")


def _mean_of(sections: list[SectionResult] | tuple[SectionResult, ...]) -> float | None:
    figures = [value for section in sections if (known := section.figures) for value in known.known]
    return harmonic_mean(figures) if figures else None
