"""Recordings of noise in a folder, and clips with such noise in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.audible import audible_stretch, rms
from trainer.catalogue.catalogue import SUFFIXES
from trainer.catalogue.clip import Clip, Domain
from trainer.errors import DataError
from trainer.folder_sound import clip_recording
from trainer.randomness import torch_generator
from trainer.sound import Recording
from trainer.waveforms import Waveforms


@dataclass(frozen=True, slots=True)
class AddedNoise:
    """Noise from recordings below `root`, equally loud in all clips of a section.

    Its mean power is `snr_db` below that of the section's training clips together. Were it measured by the clip that
    it is mixed into, the noise would tell how loud the machine is, and anomalous machines are often louder.
    """

    root: str
    snr_db: float


def read_noise(root: Path) -> tuple[Recording, ...]:
    """Every recording at or below `root`, in the order of their paths. Raises DataError where there is none."""
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(f"there are no recordings of noise under {root}; it should hold .wav or .flac files")
    clips = [Clip(path, "", "", "noise", Domain.SOURCE, None, ()) for path in paths]
    return tuple(replace(clip_recording(clip), name=clip.path.relative_to(root).as_posix()) for clip in clips)


def halves(noise: Sequence[Recording]) -> tuple[tuple[Recording, ...], tuple[Recording, ...]]:
    """Noise for training clips and noise for test clips: the recordings of every folder in turn.

    Raises DataError where there is only one recording.
    """
    if len(noise) < 2:
        raise DataError(f"{noise[0].name} is the only recording of noise; training and test clips need one each")
    folders = dict.fromkeys(Path(recording.name).parent for recording in noise)
    ordered = [recording for folder in folders for recording in noise if Path(recording.name).parent == folder]
    return tuple(ordered[0::2]), tuple(ordered[1::2])


def noise_level(train: Sequence[Recording], snr_db: float) -> float:
    """RMS of noise whose mean power is `snr_db` below that of the training clips together."""
    power = float(np.mean([rms(clip.read()) ** 2 for clip in train]))
    return float(np.sqrt(power) * 10.0 ** (-snr_db / 20.0))


def with_noise(clip: Recording, noise: Sequence[Recording], level: float, seed: int) -> Recording:
    """`clip` with a stretch of one of the recordings, brought to an RMS of `level`; drawn from seed and clip."""
    return replace(clip, read=partial(_read_with_noise, clip, tuple(noise), level, seed))


def _read_with_noise(clip: Recording, noise: tuple[Recording, ...], level: float, seed: int) -> NDArray[np.float32]:
    sound = clip.read()
    generator = torch_generator(seed, "noise", clip.name, clip.identity)
    # Nothing is kept on disk, so there is no folder.
    stretch = audible_stretch(Waveforms(noise, Path(), 0), len(sound), generator)
    return sound + np.float32(level / rms(stretch)) * stretch
