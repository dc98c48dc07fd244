"""An alarm put aside for a while: it is watched, but not announced."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shelving:
    """Who put the alarm aside, when, and until when; UTC seconds.

    Every shelving has an end. One of `one_shot` also ends as soon as the alarm clears, whichever comes first.
    """

    actor: str
    at: float
    until: float
    one_shot: bool = False
