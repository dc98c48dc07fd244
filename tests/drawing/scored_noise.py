"""Recordings of noise, with scores that the test wants."""

import numpy as np

from asdstream.drawing.mel_spectrogram import mel_spectrogram
from asdstream.drawing.scored_recording import ScoredRecording

RATE = 16_000


def scored_noise(
    *scores: float, threshold: float | None = 1.0, name: str = "fan.wav", hop_s: float = 1.0
) -> ScoredRecording:
    """As long as windows of 10 s with these scores take; the mean of them is its score. The spectrogram is of less."""
    seconds = 10.0 + (len(scores) - 1) * hop_s
    samples = 0.1 * np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    shown = mel_spectrogram(samples, RATE, 32, 200)
    return ScoredRecording(name, seconds, shown, scores, 10.0, hop_s, float(np.mean(scores)), threshold)
