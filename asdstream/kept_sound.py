"""What is kept of a machine that is listened to, as windows and as sound without a seam."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.flac import decode_flac
from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.audio.windower import hop_samples
from asdstream.scoring.heard_windows import HeardWindows
from asdstream.store.commissionings import KeptPiece
from asdstream.store.store import Store


class KeptSound:
    """The sound of windows in a row, out of the pieces that hold it."""

    def __init__(self, store: Store, pieces: Sequence[KeptPiece]) -> None:
        self._store = store
        self._pieces = pieces
        self._begins = np.cumsum([0, *(piece.windows for piece in pieces)])
        self._latest: tuple[int, NDArray[np.float32]] | None = None

    def channel(self, window: int) -> str:
        """Of which the window is."""
        return self._pieces[self._piece_of(window)].channel

    def of(self, first: int, end: int) -> NDArray[np.float32]:
        """16 kHz mono (m,) from the beginning of window `first` to the end of the last before `end`, of one stretch."""
        one, last = self._piece_of(first), self._piece_of(end - 1)
        stretch, hop = self._pieces[one].stretch, hop_samples(self._pieces[one].hop_s)
        begin = (self._pieces[one].first + first - int(self._begins[one])) * hop
        finish = (self._pieces[last].first + end - 1 - int(self._begins[last])) * hop + WINDOW_SAMPLES
        # A window begins in a piece before its own, unless that is the first of its stretch.
        while one and self._pieces[one - 1].stretch == stretch and self._begin(one) > begin:
            one -= 1
        parts = []
        for i in range(one, last + 1):
            samples, at = self._samples(i), self._begin(i)
            parts.append(samples[max(0, begin - at) : max(0, finish - at)])
        return np.concatenate(parts)

    def _begin(self, i: int) -> int:
        """Where the sound of a piece begins, in samples of its stretch."""
        piece = self._pieces[i]
        return 0 if piece.first == 0 else (piece.first - 1) * hop_samples(piece.hop_s) + WINDOW_SAMPLES

    def _samples(self, i: int) -> NDArray[np.float32]:
        if self._latest is None or self._latest[0] != i:
            self._latest = (i, decode_flac(self._store.commissionings.audio(self._pieces[i])))
        return self._latest[1]

    def _piece_of(self, window: int) -> int:
        return int(np.searchsorted(self._begins, window, side="right")) - 1


def whole(pieces: Sequence[KeptPiece]) -> list[KeptPiece]:
    """The pieces stretch by stretch, each up to its first hole: what follows one lacks its first seconds."""
    stretches: dict[tuple[str, str], list[KeptPiece]] = {}
    for piece in pieces:
        found = stretches.setdefault((piece.channel, piece.stretch), [])
        if piece.first == sum(one.windows for one in found):
            found.append(piece)
    in_order = sorted(stretches.items(), key=lambda item: item[0][0])
    return [piece for _, found in in_order for piece in found]


def heard_windows(store: Store, pieces: Sequence[KeptPiece]) -> HeardWindows:
    """The windows of `pieces`, which are `whole`."""
    stretches = {name: i for i, name in enumerate(dict.fromkeys(piece.stretch for piece in pieces))}
    rows: dict[str, list[NDArray[np.float32]]] = {}
    for piece in pieces:
        for branch, found in store.commissionings.vectors(piece).items():
            rows.setdefault(branch, []).append(found)
    places = [np.arange(piece.first, piece.first + piece.windows) for piece in pieces]
    return HeardWindows(
        stretch=np.repeat([stretches[piece.stretch] for piece in pieces], [piece.windows for piece in pieces]),
        place=np.concatenate(places),
        at=np.concatenate([piece.at + np.arange(piece.windows) * piece.hop_s for piece in pieces]),
        hop_s=np.repeat([piece.hop_s for piece in pieces], [piece.windows for piece in pieces]),
        vectors={branch: np.concatenate(found) for branch, found in rows.items()},
    )
