"""What the file names of DCASE Task 2 tell."""

import re
from dataclasses import dataclass
from typing import Literal

from trainer.catalogue.clip import Attributes, Domain

HIDDEN = "noAttribute"
"""Stands in names and lists where the organisers keep the attributes to themselves."""

# section_00_source_train_normal_0001_car_B1.wav (2021-2025), section_00_0001.wav, section_00_test_0001.wav and
# section_00_target_test_0001.wav (evaluation sets), normal_id_01_00000012.wav and id_01_00000012.wav (2020).
_NAMES = (
    re.compile(
        r"section_(?P<section>\d+)_(?P<domain>source|target)_(?:train|test)_(?P<condition>normal|anomaly)_\d+"
        r"(?:_(?P<attributes>.+))?"
    ),
    re.compile(r"section_(?P<section>\d+)(?:_(?P<domain>source|target))?(?:_test)?_\d+"),
    re.compile(r"(?:(?P<condition>normal|anomaly)_)?id_(?P<section>\d+)_\d+"),
)
_SECTION = re.compile(r"(?:section|id)_(\d+)")
_SUPPLEMENT = re.compile(r"_(machine|noise)(?=_|$)")


@dataclass(frozen=True, slots=True)
class ClipName:
    """What one name says; None for what it leaves out."""

    section: str
    domain: Domain | None
    anomalous: bool | None
    attributes: Attributes


def read_name(stem: str) -> ClipName | None:
    """What the name of a training or test clip says, without suffix; None for a name of another kind."""
    for pattern in _NAMES:
        match = pattern.fullmatch(stem)
        if match is not None:
            told = match.groupdict()
            domain, condition = told.get("domain"), told.get("condition")
            return ClipName(
                section=told["section"],
                domain=Domain(domain) if domain else None,
                anomalous=condition == "anomaly" if condition else None,
                attributes=_attributes(told.get("attributes")),
            )
    return None


def read_supplemental_name(stem: str) -> tuple[str, Literal["clean", "noise"]] | None:
    """Section of a supplemental clip, and whether it is clean machine sound or noise; None where it does not tell.

    The first of `_machine_` and `_noise_` counts: attributes may be called noise as well.
    """
    found = _SUPPLEMENT.search(f"_{stem}")
    if found is None:
        return None
    section = _SECTION.search(stem)
    return section[1] if section else "00", "clean" if found[1] == "machine" else "noise"


def _attributes(text: str | None) -> Attributes:
    """Names list parameter and value in turn (`car_B1_spd_31V`)."""
    if not text or text == HIDDEN:
        return ()
    words = text.split("_")
    return tuple(zip(words[0::2], words[1::2], strict=False))
