"""What scoring makes of an embedding."""

from dataclasses import dataclass

from asdstream.engine.embedding import WorkTimes


@dataclass(frozen=True, slots=True)
class Nearest:
    """A prototype close to the window: branch, label (`source/3`, `target/0`, `reference/<ulid>`), cosine distance."""

    branch: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """The anomaly score of one window.

    `score` is the smallest cosine distance to a prototype, averaged over branches (0 to 2), with the weights of
    `BothWaysScorer` where sound is heard both ways. `calibrated` places it between the median of normal sound (0) and
    the threshold (1).

    Two clocks are kept apart: `started_at` and `ended_at` are UTC, as in `Window`; `heard`, `captured`, those of
    `times` and `published` are monotonic seconds, of which only differences mean anything. `times` is None for a
    window that did not wait in a queue, `published` until it is told.
    """

    channel: str
    machine: str
    index: int
    started_at: float
    ended_at: float
    captured: float
    score: float
    calibrated: float
    threshold: float
    nearest: tuple[Nearest, ...]
    times: WorkTimes | None = None
    published: float | None = None
    heard: float | None = None

    @property
    def anomalous(self) -> bool:
        """Whether the score lies over the threshold."""
        return self.score > self.threshold
