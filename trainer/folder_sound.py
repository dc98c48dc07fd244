"""Training sound from a DCASE-layout folder."""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asdstream.audio.recording import read_recording
from asdstream.audio.resampler import resample_clip
from trainer.catalogue import Catalogue, Clip, Domain
from trainer.errors import DataError
from trainer.fingerprint import file_identity
from trainer.labels import compound_label
from trainer.randomness import numpy_generator
from trainer.recipe import FolderSound
from trainer.sound import MachineSound, Recording, TrainingSound

_YEAR = re.compile(r"dcase(20\d\d)t2")

LEAST_SOURCE_CLIPS = 4
"""Two to learn from and two to calibrate on; with fewer a threshold would be an invention."""


def folder_sound(
    settings: FolderSound, catalogue: Catalogue, seed: int, more: Sequence[Catalogue] = ()
) -> TrainingSound:
    """The training clips of the machines that the recipe names, a share of the source clips held out at random.

    Training clips of `more` catalogues (other years, or the same folder for its other machines) become the variety,
    whose labels begin with the year; a file that belongs to one of the named machines stays out of it. Supplemental
    clips become clean sound of their machine, and noise. Test clips are never touched. Raises DataError for a machine
    that is not there or has too few training clips.
    """
    machines = tuple(
        _machine_sound(settings, catalogue, machine, seed) for machine in settings.machines or catalogue.machines
    )
    own = catalogue.chosen(settings.machines)
    taken = {clip.path.resolve() for clip in own}
    others = [clip for other in more for clip in other.clips if clip.path.resolve() not in taken]
    return TrainingSound(
        variety=tuple(_of_another_year(settings, clip) for clip in others if clip.split == "train"),
        machines=machines,
        noise=tuple(clip_recording(clip) for clip in (*own, *others) if clip.split == "noise"),
    )


def _machine_sound(settings: FolderSound, catalogue: Catalogue, machine: str, seed: int) -> MachineSound:
    def recordings(clips: Iterable[Clip]) -> tuple[Recording, ...]:
        return tuple(clip_recording(clip, compound_label(clip, settings.leave_out)) for clip in clips)

    clips = catalogue.chosen([machine], split="train")
    source = [clip for clip in clips if clip.domain is Domain.SOURCE]
    if len(source) < LEAST_SOURCE_CLIPS:
        raise DataError(
            f"{machine} has {len(source)} source-domain training clips under {catalogue.root}; "
            f"at least {LEAST_SOURCE_CLIPS} are needed"
        )
    order = numpy_generator(seed, "held out", machine).permutation(len(source))
    count = min(len(source) - 2, max(2, round(settings.held_out * len(source))))
    held_out = {int(index) for index in order[:count]}
    return MachineSound(
        machine=machine,
        source=recordings(clip for index, clip in enumerate(source) if index not in held_out),
        target=recordings(clip for clip in clips if clip.domain is Domain.TARGET),
        held_out=recordings(clip for index, clip in enumerate(source) if index in held_out),
        clean=recordings(catalogue.chosen([machine], split="clean")),
    )


def _of_another_year(settings: FolderSound, clip: Clip) -> Recording:
    """Sections are numbered anew every year, so the same name may be another machine."""
    year = _YEAR.search(clip.path.as_posix())
    return clip_recording(clip, f"{year[1] if year else 'other'}_{compound_label(clip, settings.leave_out)}")


def clip_recording(clip: Clip, label: str = "") -> Recording:
    """A clip as something to be read later. Raises DataError for a file that is no recording."""
    try:
        info = soundfile.info(str(clip.path))
        identity = file_identity(clip.path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{clip.path} cannot be read as a recording: {error}") from error
    return Recording(
        name=f"{clip.machine}/{clip.split}/{clip.path.name}",
        identity=identity,
        seconds=info.frames / info.samplerate,
        read=partial(read_clip, clip.path),
        label=label,
    )


def read_clip(path: Path) -> NDArray[np.float32]:
    """A recording as float32 (n,), 16 kHz mono. Raises AudioError for one that cannot be used."""
    return resample_clip(read_recording(path))
