"""What a new machine's first hours have taught, for people."""

from dataclasses import dataclass

from asdstream.scoring.lesson import Excluded


@dataclass(frozen=True, slots=True)
class CommissioningReport:
    """Told once a machine has been listened to.

    `windows` were heard in `heard_s` seconds, besides `unusable` ones, silent or clipped; `excluded_windows` of them
    did not fit, at the times `excluded` (the longest ones, in order of time). `references` are windows of ten seconds,
    `held_out_s` seconds of sound that the threshold is worked out from. `shortage` says why the threshold is a guess,
    None where the normal sound was `enough`; `uncalibrated` why there is none. It took `prolonged_s` seconds more than
    asked for where less sound gave no threshold.
    """

    machine: str
    finished_at: float
    heard_s: float
    windows: int
    unusable: int
    excluded_windows: int
    excluded: tuple[Excluded, ...]
    references: int
    held_out_s: float
    threshold: float | None
    false_alarms_per_day: float
    decided_by: str | None
    shortage: str | None
    uncalibrated: str | None
    prolonged_s: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether there was as much normal sound as the bearable false alarms ask for."""
        return self.shortage is None and self.uncalibrated is None

    @property
    def sentence(self) -> str:
        """All of it in short."""
        left_out = f"{self.excluded_windows} did not fit" if self.excluded_windows else "all of them fit"
        judged = (
            "there is no threshold"
            if self.threshold is None
            else f"the threshold is {self.threshold:.4f} for {self.false_alarms_per_day:g} false alarms a day"
        )
        longer = f", {self.prolonged_s:.0f} s longer than asked as less gave no threshold," if self.prolonged_s else ""
        return (
            f"{self.windows} windows were heard{longer} and {left_out}; {self.references} are references, "
            f"{self.held_out_s / 60:.0f} minutes are held out, and {judged}"
        )


@dataclass(frozen=True, slots=True)
class CommissioningProgress:
    """How far a machine has been listened to; `report` is the latest one, None before the first.

    `problem` is one sentence on why `listen_s` is more than was asked for, None where it is not.
    """

    learning: bool
    heard_s: float
    listen_s: float
    report: CommissioningReport | None
    problem: str | None = None

    @property
    def done(self) -> float:
        """0 to 1."""
        return min(1.0, self.heard_s / self.listen_s) if self.learning else 1.0
