"""Pairs for a separator: a machine with noise in it, and the machine alone."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from trainer.audible import ATTEMPTS, SILENCE_RMS, audible_stretch, rms
from trainer.crops import random_crop
from trainer.errors import DataError
from trainer.mixing import mix_at_snr
from trainer.randomness import below
from trainer.sound import Recording
from trainer.waveforms import Waveforms

MIXTURE_RMS = 0.1
"""Every mixture is brought to this level: a separator takes all gains alike, the floors of its loss do not."""
OCTAVES_HZ = np.geomspace(31.25, 8_000.0, 9)


@dataclass(frozen=True, slots=True, eq=False)
class PairSound:
    """What pairs are mixed from: `clean` machine sound, faults and all, and `noise` without that machine."""

    clean: tuple[Recording, ...]
    noise: tuple[Recording, ...]


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How pairs vary.

    Attributes:
        snr_db: range of the machine's level over the noise, drawn evenly.
        second_noise: how often a second noise is heard with the first, up to 10 dB below it.
        equalisation_db: machine and noise are each filtered at random by up to this much either way, with straight
            lines between octaves: another distance, another microphone.
        plain: how often they are left unfiltered.
    """

    snr_db: tuple[float, float] = (-5.0, 10.0)
    second_noise: float = 0.3
    equalisation_db: float = 6.0
    plain: float = 0.3


class Pairs:
    """Draws pairs from the sound of `clean` and `noise` recordings.

    A stretch of clean sound or of noise that is silent, below -80 dB full scale, is never used, since no ratio is
    defined on it: another one is drawn, from another recording if need be.
    """

    def __init__(self, clean: Waveforms, noise: Waveforms, settings: PairSettings | None = None) -> None:
        for what, sound in (("clean machine sound", clean), ("noise", noise)):
            if not len(sound):
                raise DataError(f"a separator needs {what}, and there is none; at least one recording is needed")
        self._clean = clean
        self._noise = noise
        self._settings = settings or PairSettings()

    def __len__(self) -> int:
        """How many clean recordings there are."""
        return len(self._clean)

    def seconds(self, index: int) -> float:
        """Length of a clean recording."""
        return self._clean.seconds(index)

    def example(
        self, index: int, generator: torch.Generator, samples: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A mixture and its machine, each float32 (samples,), from a random place of the clean recording `index`.

        The sum has an RMS of 0.1. Raises DataError where a hundred draws in a row are silent.
        """
        target = self._draw_target(index, generator, samples)
        noise = self._draw_noise(samples, generator)
        target, noise = self._equalised(target, generator), self._equalised(noise, generator)
        low, high = self._settings.snr_db
        mixture = mix_at_snr(target, noise, low + _chance(generator) * (high - low))
        gain = np.float32(MIXTURE_RMS / rms(mixture))
        return gain * mixture, gain * target

    def _draw_target(self, index: int, generator: torch.Generator, samples: int) -> NDArray[np.float32]:
        for attempt in range(ATTEMPTS):
            target = random_crop(self._clean, index, samples, generator)
            if rms(target) > SILENCE_RMS:
                return target
            if attempt >= ATTEMPTS // 10:
                index = below(len(self._clean), generator)
        raise DataError(
            f"{ATTEMPTS} stretches of {samples / SAMPLE_RATE:g} s of clean machine sound in a row were silent, the "
            f"last one of {self._clean.recordings[index].name}; clean recordings should be heard"
        )

    def _draw_noise(self, samples: int, generator: torch.Generator) -> NDArray[np.float32]:
        noise = audible_stretch(self._noise, samples, generator)
        if _chance(generator) < self._settings.second_noise:
            noise = mix_at_snr(noise, audible_stretch(self._noise, samples, generator), 10.0 * _chance(generator))
        return noise

    def _equalised(self, sound: NDArray[np.float32], generator: torch.Generator) -> NDArray[np.float32]:
        chance = _chance(generator)
        points = torch.rand(len(OCTAVES_HZ), generator=generator, dtype=torch.float64).numpy()
        if chance < self._settings.plain:
            return sound
        hertz = np.maximum(np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE), 1.0)
        gain_db = np.interp(np.log(hertz), np.log(OCTAVES_HZ), self._settings.equalisation_db * (2.0 * points - 1.0))
        return np.fft.irfft(np.fft.rfft(sound) * 10.0 ** (gain_db / 20.0), len(sound)).astype(np.float32)


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float64))
