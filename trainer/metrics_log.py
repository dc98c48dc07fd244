"""The figures of a run as they come: one JSON object a line."""

import json
from pathlib import Path

from asdstream import atomic

Figure = str | int | float | None


class MetricsLog:
    """Appends to `metrics.jsonl`. A line torn by a crash is dropped at the next resume."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, **figures: Figure) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")

    def read(self, stage: str | None = None) -> list[dict[str, Figure]]:
        """Every whole line, of one stage or of all."""
        if not self._path.exists():
            return []
        lines = []
        for text in self._path.read_text(encoding="utf-8").splitlines():
            try:
                figures = json.loads(text)
            except json.JSONDecodeError:
                continue
            if stage is None or figures.get("stage") == stage:
                lines.append(figures)
        return lines

    def forget_after(self, stage: str, step: int) -> None:
        """Drop the lines of `stage` beyond `step`: the steps that a resumed run takes again."""
        if not self._path.exists():
            return
        kept = [
            figures
            for figures in self.read()
            if figures.get("stage") != stage or not isinstance(figures.get("step"), int) or figures["step"] <= step  # type: ignore[operator]
        ]
        atomic.write_text(self._path, "".join(json.dumps(figures) + "\n" for figures in kept))
