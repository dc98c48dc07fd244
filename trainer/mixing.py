"""Background noise mixed into recordings at a stated signal-to-noise ratio."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from trainer.randomness import below
from trainer.waveforms import Waveforms

Augmentation = Callable[[NDArray[np.float32], torch.Generator], NDArray[np.float32]]
"""What a sound (n,) becomes, such as with noise under it; all that is random comes from the generator."""


def mix_at_snr(sound: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """`sound` with `noise` under it, both (n,): float32 (n,), mean power of the sound `snr_db` over that of the noise.

    The sound keeps its level and the sum is not limited, so it may pass 1; nothing is lost by that in float32. Where
    either of the two is silent no gain gives the ratio, and the sound is returned as it is. Raises ValueError where
    the lengths differ.
    """
    if sound.shape != noise.shape:
        raise ValueError(f"sound {sound.shape} and noise {noise.shape} should have the same shape")
    sound_power = float(np.mean(np.square(sound, dtype=np.float64))) if sound.size else 0.0
    noise_power = float(np.mean(np.square(noise, dtype=np.float64))) if noise.size else 0.0
    if sound_power == 0.0 or noise_power == 0.0:
        return np.array(sound, dtype=np.float32)
    gain = np.sqrt(sound_power / noise_power) * 10.0 ** (-snr_db / 20.0)
    return np.asarray(sound + gain * noise.astype(np.float64), dtype=np.float32)


def random_stretch(noise: Waveforms, samples: int, generator: torch.Generator) -> NDArray[np.float32]:
    """`samples` of one of the recordings, (samples,), from a random moment on; one that is shorter is repeated."""
    index = below(len(noise), generator)
    length = round(noise.seconds(index) * SAMPLE_RATE)
    if length >= samples:
        return noise.samples(index, below(length - samples + 1, generator), samples)
    start = below(length, generator)
    return np.resize(np.roll(noise.samples(index, 0, length), -start), samples)


@dataclass(frozen=True, slots=True, eq=False)
class NoiseAugmentation:
    """Mixes a random stretch of `noise` into a clip, at a ratio drawn evenly from `snr_db`, and changes its level.

    No noise is mixed in with the `probability` left over, or where `noise` is None. The gain is drawn evenly from
    `gain_db`, for every clip.
    """

    noise: Waveforms | None
    snr_db: tuple[float, float] = (-5.0, 10.0)
    probability: float = 1.0
    gain_db: tuple[float, float] = (0.0, 0.0)

    def __call__(self, sound: NDArray[np.float32], generator: torch.Generator) -> NDArray[np.float32]:
        """`sound` (n,) with noise, float32 (n,); `sound` itself where the draws leave it alone."""
        chance, ratio, level = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        if self.noise is not None and chance < self.probability:
            sound = mix_at_snr(sound, random_stretch(self.noise, len(sound), generator), _between(self.snr_db, ratio))
        gain_db = _between(self.gain_db, level)
        return sound if gain_db == 0.0 else sound * np.float32(10.0 ** (gain_db / 20.0))


def _between(ends: tuple[float, float], place: float) -> float:
    return ends[0] + place * (ends[1] - ends[0])
