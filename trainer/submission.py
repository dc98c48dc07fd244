"""The files that DCASE Task 2 asks for: scores and decisions, one row per test clip, no header."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from asdstream import atomic


def write_submission(
    folder: Path, machine: str, section: str, *, files: Sequence[str], scores: Sequence[float], threshold: float
) -> tuple[Path, Path]:
    """Write `anomaly_score_*` and `decision_result_*` of one section; a score over `threshold` is decided as 1."""
    ending = _ending(machine, section)
    rows = sorted(zip(files, scores, strict=True))
    score_path = folder / f"anomaly_score_{ending}"
    decision_path = folder / f"decision_result_{ending}"
    atomic.write_text(score_path, _csv([(name, repr(float(score))) for name, score in rows]))
    atomic.write_text(decision_path, _csv([(name, str(int(score > threshold))) for name, score in rows]))
    return score_path, decision_path


def read_scores(folder: Path, machine: str, section: str) -> dict[str, float]:
    """Scores by file name from the `anomaly_score_*` file of one section. OSError or ValueError where it is not one."""
    with (folder / f"anomaly_score_{_ending(machine, section)}").open(newline="", encoding="utf-8") as file:
        return {name: float(score) for name, score in csv.reader(file)}


def _ending(machine: str, section: str) -> str:
    return f"{machine}_section_{section}_test.csv"


def _csv(rows: Sequence[tuple[str, str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
