"""How the windows of a channel become pieces of sound that can be put together again."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.engine.embedding import Embedding
from asdstream.scoring.listening import Listening, Piece

RATE = 16_000
SOUND = (0.1 * np.random.default_rng(0).normal(size=400 * RATE)).astype(np.float32)


class Ear:
    """A channel that hears SOUND, at some hop."""

    def __init__(self, hop_s: float) -> None:
        self.hop = round(hop_s * RATE)
        names = itertools.count()
        self.listening = Listening("a", hop_s, 0.01, lambda: f"stretch-{next(names)}")
        self.pieces: list[Piece] = []

    def hear(self, numbers: Sequence[int], run: int = 0, samples: np.ndarray | None = None) -> None:
        for number in numbers:
            start = number * self.hop
            heard = SOUND[start : start + WINDOW_SAMPLES] if samples is None else samples
            window = Window("a", number, heard, start / RATE, start / RATE + 10, 0.0, run=run, start=start)
            self.pieces += self.listening.hear(Embedding(window, {"a": np.full(3, number, np.float32)}))

    def flush(self) -> None:
        self.pieces += self.listening.flush()


@pytest.mark.parametrize("hop_s", [0.5, 1.0, 3.0, 10.0])
def test_pieces_hold_every_window_once_and_together_the_sound_without_a_seam(hop_s: float) -> None:
    ear = Ear(hop_s)
    count = int(150 / hop_s)
    ear.hear(range(count))
    ear.flush()
    assert {piece.stretch for piece in ear.pieces} == {"stretch-0"}
    assert len(ear.pieces) == pytest.approx(count * hop_s / 60, abs=1)
    places = [piece.first + i for piece in ear.pieces for i in range(piece.windows)]
    assert places == list(range(count))
    heard = [row[0] for piece in ear.pieces for row in piece.vectors["a"]]
    assert heard == places
    for piece in ear.pieces:
        assert piece.at == pytest.approx(piece.first * hop_s)
    whole = np.concatenate([piece.samples for piece in ear.pieces])
    np.testing.assert_array_equal(whole, SOUND[: (count - 1) * ear.hop + WINDOW_SAMPLES])


def test_lost_sound_begins_a_new_stretch_and_windows_left_out_do_as_soon_as_no_sound_is_shared() -> None:
    ear = Ear(1.0)
    ear.hear(range(5))
    ear.hear([0, 1], run=1)
    ear.hear([3, 5, 7, 9, 11, 13], run=1)
    ear.flush()
    assert [(piece.stretch, piece.first, piece.windows) for piece in ear.pieces] == [
        ("stretch-0", 0, 5),
        ("stretch-1", 0, 2),
        ("stretch-2", 0, 1),
    ]
    np.testing.assert_array_equal(ear.pieces[-1].samples, SOUND[11 * RATE : 21 * RATE])


@pytest.mark.parametrize("bad", [np.zeros(WINDOW_SAMPLES, np.float32), np.ones(WINDOW_SAMPLES, np.float32)])
def test_silent_and_clipped_windows_do_not_count(bad: np.ndarray) -> None:
    ear = Ear(1.0)
    ear.hear(range(3))
    ear.hear([3, 4], samples=bad)
    ear.hear(range(5, 20))
    ear.flush()
    assert [(piece.first, piece.windows, piece.unusable) for piece in ear.pieces] == [(0, 3, 2), (0, 8, 0)]
