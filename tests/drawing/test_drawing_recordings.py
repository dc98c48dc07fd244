"""Recordings with their scores, as a sheet and as a page."""

import io
import re

import numpy as np
import pytest
from drawing.scored_noise import scored_noise
from numpy.typing import NDArray
from PIL import Image

from asdstream.drawing import recordings_page as page
from asdstream.drawing.loudness import loudness_range, painted
from asdstream.drawing.recordings_page import PlotlyMissingError, recordings_page
from asdstream.drawing.recordings_picture import draw_recordings
from asdstream.drawing.scored_recording import COLUMNS, ScoredRecording
from asdstream.drawing.sheet import ALARMING, CALM, Sheet


def pixels(*recordings: ScoredRecording) -> NDArray[np.uint8]:
    return np.array(Image.open(io.BytesIO(draw_recordings(recordings))).convert("RGB"))


def columns_with(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.int64]:
    # More of them than letters have.
    return np.flatnonzero((picture == colour).all(axis=2).sum(axis=0) > 20)


def test_what_is_over_the_threshold_is_red_from_where_it_is() -> None:
    picture = pixels(scored_noise(*[0.5] * 50, *[2.0] * 51))
    calm, alarming = columns_with(picture, CALM), columns_with(picture, ALARMING)
    assert len(calm) + len(alarming) == pytest.approx(COLUMNS, abs=2)
    assert calm.max() < alarming.min()
    assert alarming.min() - calm.min() == pytest.approx(COLUMNS / 2, abs=6)


def test_recordings_stand_below_each_other_and_are_equally_wide_whatever_their_length() -> None:
    one, two = pixels(scored_noise(0.5)), pixels(scored_noise(0.5), scored_noise(*[0.5] * 200))
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)


def test_without_a_threshold_nothing_is_red() -> None:
    assert not len(columns_with(pixels(scored_noise(0.5, 20.0, threshold=None)), ALARMING))


def test_silence_is_dark_and_the_loudest_is_bright() -> None:
    silence = np.full((4, 4), -100.0, np.float32)
    assert np.array(painted(silence, loudness_range([silence]))).max() < 20
    sound = np.array([[-100.0, 0.0]], np.float32)
    dark, bright = np.array(painted(sound, loudness_range([sound])))[0]
    assert dark.max() < 20
    assert bright.min() > 100


def test_low_frequencies_are_at_the_bottom() -> None:
    levels = np.array([[0.0], [-70.0]], np.float32)
    upper, lower = np.array(painted(levels, (-70.0, 0.0)))[:, 0]
    assert lower.sum() > upper.sum()


def test_words_that_have_no_room_are_cut_short() -> None:
    sheet = Sheet(400, 30)
    sheet.words(0, 0, "much too long " * 20, room=100)
    dark = np.flatnonzero((np.array(Image.open(io.BytesIO(sheet.png()))) < 200).any(axis=(0, 2)))
    assert 60 < dark.max() <= 100


def test_a_page_brings_all_it_needs_and_asks_no_network() -> None:
    text = recordings_page([scored_noise(0.5, 2.0), scored_noise(0.5, threshold=None)])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "http" not in policy[1]
    assert not re.search(r"<(script|link|img)[^>]*\b(src|href)=", text)
    assert "Plotly.newPlot" in text
    assert "ANOMALOUS: score 1.2500, highest 2.0000, threshold 1.0000" in text
    assert text.count('class="drawing"') == 2


def test_the_name_of_a_file_cannot_become_part_of_the_page() -> None:
    text = recordings_page([scored_noise(0.5, name='</script><script>alert(1)//"><b>')])
    assert "<script>alert" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_where_plotly_is_not_installed_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda _: None)
    with pytest.raises(PlotlyMissingError, match=r"pip install 'asdstream\[dashboard\]'"):
        recordings_page([scored_noise(0.5)])
