"""People talking nearby: what is left of speech when no word can be made out."""

import numpy as np

from asdstream.audio.simulator.electric import Hum
from asdstream.audio.simulator.flow import Noise
from asdstream.audio.simulator.friction import Uneven
from asdstream.audio.simulator.resonance import draw_modes, ring, unit_energy
from asdstream.audio.simulator.room import room_response
from asdstream.audio.simulator.shaft import harmonics
from asdstream.audio.simulator.voice import Voice


def babble(rng: np.random.Generator, talkers: int, level_db: float, sample_rate: int) -> list[Voice]:
    """`talkers` voices of their own pitch (85 to 260 Hz) through formants, in syllables of 3 to 6 a second."""
    room = room_response("workshop", int(rng.integers(1 << 30)), sample_rate)
    voices = []
    for number in range(talkers):
        pitch = float(np.exp(rng.uniform(np.log(85.0), np.log(260.0))))
        formants = ring(draw_modes(rng, 350.0, 4_000.0, 5, (0.03, 0.1), 2.0), sample_rate)
        path = unit_energy(np.convolve(formants, room))
        folds = harmonics(rng, 40, 0.85, 0.42 * sample_rate / pitch)
        tone = Hum(folds, pitch, name=f"talker {number}", depth=0.08)
        syllables = int(rng.integers(3, 7))
        level = level_db - 10.0 * np.log10(talkers) + rng.uniform(-3.0, 1.0)
        voices.append(Voice(Uneven(tone, f"talker {number} syllables", syllables, 9.0), level, path))
        hissed = Uneven(Noise(f"talker {number} breath"), f"talker {number} hissing", 2 * syllables, 9.0)
        voices.append(Voice(hissed, level - 8.0, path))
    return voices
