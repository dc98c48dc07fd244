"""Which clips a measurement looks at."""

from collections.abc import Sequence
from pathlib import Path

from trainer.catalogue import Catalogue, Clip
from trainer.errors import DataError


def clips_by_section(
    catalogue: Catalogue, machines: Sequence[str] | None = None
) -> dict[tuple[str, str], tuple[Clip, ...]]:
    """Training and test clips of every section of `machines` (all where None) that has test clips, sorted.

    Raises DataError where there are no test clips, or the same clip lies in two folders.
    """
    chosen = [clip for clip in catalogue.chosen(machines) if clip.split in {"train", "test"}]
    sections = sorted({(clip.machine, clip.section) for clip in chosen if clip.split == "test"})
    if not sections:
        raise DataError(f"there are no test clips under {catalogue.root}; they should lie in <machine>/test/")
    _refuse_twins(chosen)
    return {section: tuple(clip for clip in chosen if (clip.machine, clip.section) == section) for section in sections}


def _refuse_twins(clips: Sequence[Clip]) -> None:
    seen: dict[tuple[str, str, str], Path] = {}
    for clip in clips:
        twin = seen.setdefault((clip.machine, clip.section, clip.file), clip.path)
        if twin != clip.path:
            raise DataError(
                f"{twin} and {clip.path} are the same clip of {clip.machine}; choose one folder with --data"
            )
