"""In which ways sound is heard: as it is, separated, or both."""

from dataclasses import dataclass

SEPARATED = "+separated"
"""Added to the name of a branch that hears separated sound beside one that does not; no branch's own name has a +."""


@dataclass(frozen=True, slots=True)
class BothWays:
    """Sound is embedded as it is, and beside it as the separator of `machine_type` leaves it."""

    machine_type: str


SeparateAs = str | BothWays
"""The machine type as which sound is separated before it is embedded, alone or beside the sound as it is."""


def ways(separate_as: SeparateAs | None) -> dict[str, str | None]:
    """The ways in which sound is embedded: what follows a branch's name, and the machine type to separate it as."""
    if isinstance(separate_as, BothWays):
        return {"": None, SEPARATED: separate_as.machine_type}
    return {"": separate_as}
