"""One recording of a data set, and all that is known of it without listening."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

Split = Literal["train", "test", "clean", "noise"]
"""What a clip is for; `clean` is the machine without background and `noise` background without the machine."""

Attributes = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are told."""

CONDITIONS = {"normal": False, "abnormal": True}
"""Folders of a plain data set such as MIMII's, and whether what lies in them is anomalous."""


class Domain(StrEnum):
    """Where a recording was made: where the machine was first known, or where it stands now."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of a data set.

    `anomalous` is None, and `domain` the source domain, where neither name nor list tells (evaluation sets).
    """

    path: Path
    machine: str
    section: str
    split: Split
    domain: Domain
    anomalous: bool | None
    attributes: Attributes

    @property
    def file(self) -> str:
        """What result files call it: its file name, after its folder where that tells normal from abnormal clips."""
        plain = self.path.parent.name in CONDITIONS
        return f"{self.path.parent.name}/{self.path.name}" if plain else self.path.name
