"""Several systems side by side on the same clips."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from trainer.bootstrap import Interval, resampled_means
from trainer.results import SystemResult


@dataclass(frozen=True, slots=True, eq=False)
class ComparedSystem:
    """What a system reached, with 95 % intervals of its score and of its difference from the first system's.

    The intervals are None where the truth is not known.
    """

    name: str
    result: SystemResult
    interval: Interval | None
    difference: Interval | None

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "name": self.name,
            **self.result.to_dict(),
            "interval": asdict(self.interval) if self.interval else None,
            "difference_from_first": asdict(self.difference) if self.difference else None,
        }


def compare(results: Sequence[tuple[str, SystemResult]], seed: int = 0) -> list[ComparedSystem]:
    """Set named results side by side. Raises MetricError where they scored different clips."""
    means = resampled_means([result for _, result in results], seed)
    if means is None:
        return [ComparedSystem(name, result, None, None) for name, result in results]
    return [
        ComparedSystem(name, result, Interval.of(means[:, place]), Interval.of(means[:, place] - means[:, 0]))
        for place, (name, result) in enumerate(results)
    ]


def comparison_table(compared: Sequence[ComparedSystem]) -> str:
    """Markdown: a row for each system, its AUCs averaged over the sections, its score with intervals."""
    lines = [
        "| system | sAUC | tAUC | pAUC | h-mean | 95 % interval | difference from the first |",
        "|---|---|---|---|---|---|---|",
    ]
    for place, system in enumerate(compared):
        known = [figures for section in system.result.sections if (figures := section.figures)]
        cells = [
            _mean([figures.source_auc for figures in known]),
            _mean([figures.target_auc for figures in known]),
            _mean([figures.partial_auc for figures in known]),
        ]
        mean = system.result.harmonic_mean
        interval = f"{system.interval.low:.3f} to {system.interval.high:.3f}" if system.interval else "-"
        change = f"{system.difference.low:+.3f} to {system.difference.high:+.3f}" if system.difference else "-"
        lines.append(
            f"| {system.name} | {' | '.join(cells)} | {'-' if mean is None else f'{mean:.3f}'} | {interval} "
            f"| {change if place else ''} |"
        )
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}" if known else "-"
