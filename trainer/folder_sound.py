"""Training sound from a DCASE-layout folder."""

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
from trainer.randomness import numpy_generator
from trainer.recipe import FolderSound
from trainer.sound import MachineSound, Recording, TrainingSound

LEAST_SOURCE_CLIPS = 4
"""Two to learn from and two to calibrate on; with fewer a threshold would be an invention."""


def folder_sound(settings: FolderSound, catalogue: Catalogue, seed: int) -> TrainingSound:
    """The training clips of the machines that the recipe names, a share of the source clips held out at random.

    Test clips are never touched. Raises DataError for a machine that is not there or has too few training clips.
    """
    machines = []
    for machine in settings.machines or catalogue.machines:
        clips = catalogue.chosen([machine], split="train")
        source = [clip for clip in clips if clip.domain is Domain.SOURCE]
        target = [clip for clip in clips if clip.domain is Domain.TARGET]
        if len(source) < LEAST_SOURCE_CLIPS:
            raise DataError(
                f"{machine} has {len(source)} source-domain training clips under {catalogue.root}; "
                f"at least {LEAST_SOURCE_CLIPS} are needed"
            )
        order = numpy_generator(seed, "held out", machine).permutation(len(source))
        count = min(len(source) - 2, max(2, round(settings.held_out * len(source))))
        held_out = {int(index) for index in order[:count]}
        machines.append(
            MachineSound(
                machine=machine,
                source=tuple(clip_recording(clip) for index, clip in enumerate(source) if index not in held_out),
                target=tuple(clip_recording(clip) for clip in target),
                held_out=tuple(clip_recording(clip) for index, clip in enumerate(source) if index in held_out),
            )
        )
    return TrainingSound(variety=(), machines=tuple(machines))


def clip_recording(clip: Clip) -> Recording:
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
    )


def read_clip(path: Path) -> NDArray[np.float32]:
    """A recording as float32 (n,), 16 kHz mono. Raises AudioError for one that cannot be used."""
    return resample_clip(read_recording(path))
