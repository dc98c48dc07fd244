"""Recordings with their scores on a sheet: above what was heard, below it what was thought of it."""

from collections.abc import Sequence

import numpy as np

from asdstream.drawing.loudness import loudness_range
from asdstream.drawing.scale import Scale, clock_text, round_ticks, time_ticks
from asdstream.drawing.scored_recording import CEILING, COLUMNS, ScoredRecording
from asdstream.drawing.sheet import ALARMING, CALM, INK, Sheet

_LEFT, _RIGHT = 64, 32
_TITLE, _SOUND, _GAP, _SCORES, _BELOW = 34, 220, 26, 120, 42
_ROW = _TITLE + _SOUND + _GAP + _SCORES + _BELOW
_MOST_TICKS = 14


def draw_recordings(recordings: Sequence[ScoredRecording]) -> bytes:
    """PNG: each recording's spectrogram, and below it, on the same time, its scores and the threshold (dashed).

    Every moment has the score of the window whose middle is nearest.
    """
    sheet = Sheet(_LEFT + COLUMNS + _RIGHT, _ROW * len(recordings))
    for index, recording in enumerate(recordings):
        _draw(sheet, index * _ROW + _TITLE, recording)
    return sheet.png()


def _draw(sheet: Sheet, top: int, recording: ScoredRecording) -> None:
    time = Scale(0.0, recording.seconds, _LEFT, _LEFT + COLUMNS - 1)
    length = clock_text(recording.seconds, recording.seconds)
    ink = ALARMING if recording.anomalous else INK
    sheet.words(_LEFT + COLUMNS, top - 22, recording.verdict, anchor="ra", ink=ink)
    sheet.words(_LEFT, top - 22, f"{recording.name}, {length}", room=COLUMNS - 400)
    loudness = loudness_range([recording.spectrogram.mel])
    sheet.spectrogram(_LEFT, top, (COLUMNS, _SOUND), recording.spectrogram, loudness)
    _draw_scores(sheet, top + _SOUND + _GAP, recording)
    sheet.bottom_axis(time, top + _SOUND + _GAP + _SCORES, time_ticks(recording.seconds, _MOST_TICKS))


def _draw_scores(sheet: Sheet, top: int, recording: ScoredRecording) -> None:
    begins, scores = recording.steps(COLUMNS)
    threshold = recording.threshold
    level = Scale(*recording.score_range, top + _SCORES - 1, top)
    floor = level.at(0.0)
    moments = (np.arange(COLUMNS) + 0.5) / COLUMNS * recording.seconds
    for x, score in enumerate(scores[np.searchsorted(begins[1:-1], moments)], _LEFT):
        over = threshold is not None and score > threshold
        sheet.line([(x, level.at(float(score))), (x, floor)], ALARMING if over else CALM)
    sheet.left_axis(level, _LEFT, round_ticks(level.low, level.high, 4))
    words = f"score of {recording.window_s:g} s of sound"
    if threshold is not None:
        sheet.dashes(_LEFT, _LEFT + COLUMNS, level.at(threshold))
        words += f"; dashed: threshold {threshold:.4f}"
    if recording.cut_off:
        words += f"; cut off at {CEILING:g} times the threshold"
    sheet.words(_LEFT, top - 18, words, room=COLUMNS)
