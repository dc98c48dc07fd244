"""What can be said about the sound behind an alarm."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NearestNormal:
    """The normal sound that came closest: `label` and cosine `distance` as in a score.

    A `prototype` comes from the bundle and has no sound of its own; a `reference` was enrolled on site.
    """

    label: str
    kind: Literal["prototype", "reference"]
    distance: float


@dataclass(frozen=True, slots=True)
class BandChange:
    """A range of frequencies and by how much the sound in it is louder (or, negative, quieter) than normal."""

    low_hz: float
    high_hz: float
    change_db: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What sets the sound behind an alarm apart from normal sound.

    `compared_with` says which normal sound the bands were measured against, None where there was none at hand. The
    band that says most comes first. `repetition_hz` is how often a second the sound of that band swells, None where it
    does not do so regularly; `sentence` is all of it for people.
    """

    nearest: NearestNormal
    compared_with: str | None
    bands: tuple[BandChange, ...]
    repetition_hz: float | None
    sentence: str
