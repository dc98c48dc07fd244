"""The test clips that scored highest and lowest: what was heard, and what each window scored."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdstream import atomic
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS
from asdstream.drawing.recordings_picture import draw_recordings
from asdstream.drawing.scored_recording import ScoredRecording
from trainer.evaluate import EvaluationSettings, MeasuredSection, clip_recordings
from trainer.section_scorer import Embedded, SectionScorer

EACH = 3
"""So many of the highest and of the lowest."""


def draw_clips(path: Path, measured: MeasuredSection, settings: EvaluationSettings) -> None:
    """PNG: spectrograms of test clips with the scores of their windows and the threshold, the highest clip first."""
    result = measured.result
    order = np.argsort(-result.scores, kind="stable")
    shown = [*order[:EACH], *order[max(EACH, len(order) - EACH) :]]
    clips = [clip for clip, _ in measured.embedded]
    heard = clip_recordings(clips, settings.noise, settings.seed)
    # A clip may lie beside another of its name, so it is found by its path.
    known = {clip.path: place for place, clip in enumerate(clips)}
    recordings = []
    for place in shown:
        at = known[result.clips[place].path]
        samples = heard[at].read()
        score = float(result.scores[place])
        recordings.append(
            _scored(measured.embedded[at], samples, measured.scorer, settings.hop_seconds, score, result.threshold)
        )
    atomic.write_bytes(path, draw_recordings(recordings))


def _scored(
    embedded: Embedded,
    samples: NDArray[np.float32],
    scorer: SectionScorer,
    hop_s: float,
    score: float,
    threshold: float,
) -> ScoredRecording:
    clip, vectors = embedded
    windows = len(next(iter(vectors.values())))
    one_by_one = [{branch: rows[i : i + 1] for branch, rows in vectors.items()} for i in range(windows)]
    truth = {None: "truth unknown", True: "anomalous", False: "normal"}[clip.anomalous]
    return ScoredRecording.of(
        f"{clip.path.name} ({clip.domain}, {truth})",
        samples,
        SAMPLE_RATE,
        scorer.clip_scores(one_by_one).tolist(),
        WINDOW_SECONDS,
        hop_s,
        score,
        threshold,
    )
