"""What the classifying stages are to tell apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError
from trainer.labels import tells_attributes
from trainer.pseudo_attributes import pseudo_attributes
from trainer.recipe import ClassificationSettings
from trainer.sound import Recording, TrainingSound

NONE = -1
"""The class of a recording that has none."""

Embed = Callable[[Sequence[Recording]], NDArray[np.float32]]
"""One embedding (N, D) of each recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Recordings and the class of each, by its place in `classes`; NONE where nothing is known."""

    recordings: tuple[Recording, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def of(self, recording: Recording) -> int:
        """The class of another recording with a label of its own."""
        return self.classes.index(recording.label) if recording.label in self.classes else NONE


def heard(sound: TrainingSound, settings: ClassificationSettings) -> tuple[Recording, ...]:
    """The recordings that a stage learns from."""
    if settings.hears == "all":
        return sound.generative
    return tuple(recording for machine in sound.machines for recording in (*machine.source, *machine.target))


def labelled(sound: TrainingSound, settings: ClassificationSettings, embed: Embed | None = None) -> Labelled:
    """The classes of what a stage hears.

    A recording without a label is not learned from. Where the recipe asks for pseudo attributes, one whose label tells
    no more than its machine gets another by how it sounds, if `embed` is there to tell.
    """
    recordings = heard(sound, settings)
    labels = [recording.label for recording in recordings]
    if settings.pseudo_attributes and embed is not None:
        bare = [place for place, label in enumerate(labels) if label and not tells_attributes(label)]
        if bare:
            found = pseudo_attributes(embed([recordings[place] for place in bare]), [labels[place] for place in bare])
            for place, label in zip(bare, found, strict=True):
                labels[place] = label
    classes = tuple(sorted(set(labels) - {""}))
    return Labelled(recordings, tuple(classes.index(label) if label else NONE for label in labels), classes)


def check_scale(classes: Sequence[str], settings: ClassificationSettings, stage: str) -> None:
    """Raise DataError where so few classes leave the scale of ArcFace open."""
    if settings.loss == "arcface" and settings.scale is None and len(classes) < 3:
        raise DataError(
            f"the stage {stage} tells {len(classes)} classes apart, for which the scale of ArcFace does not follow; "
            'set scale in its table, 8 for instance, or loss = "cross_entropy"'
        )


def check_labels(sound: TrainingSound, settings: ClassificationSettings, stage: str) -> None:
    """Raise DataError where there is nothing to tell apart."""
    classes = labelled(sound, settings).classes
    if len(classes) < 2 and not settings.pseudo_attributes:
        found = f"all are {classes[0]}" if classes else "none has any"
        raise DataError(
            f"the stage {stage} tells recordings apart by machine and attributes, and {found}; give more machines, "
            f"set pseudo_attributes = true in [{stage}], or leave the stage out"
        )
    if not settings.pseudo_attributes:
        check_scale(classes, settings, stage)
