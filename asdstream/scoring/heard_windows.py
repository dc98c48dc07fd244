"""The windows of a long listening, by where they lie and what they sound like."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import WINDOW_SECONDS


@dataclass(frozen=True, slots=True, eq=False)
class HeardWindows:
    """N windows, in order: `stretch` (N,) numbers the unbroken stretches of sound, all of one hop, from 0, and `place`
    (N,) the windows of each; `at` (N,) is the UTC second at which a window begins, `hop_s` (N,) its channel's hop.

    `vectors` are unit-length float32 (N, D) by branch, as an `Embedding` has them.
    """

    stretch: NDArray[np.int64]
    place: NDArray[np.int64]
    at: NDArray[np.float64]
    hop_s: NDArray[np.float64]
    vectors: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.stretch)

    def share_sound(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether windows `some` (A,) and `others` (B,) have sound in common: (A, B)."""
        same = self.stretch[some][:, None] == self.stretch[others][None]
        steps = np.abs(self.place[some][:, None] - self.place[others][None])
        return np.asarray(same & (steps * self.hop_s[some][:, None] < WINDOW_SECONDS - 1e-9))

    def apart(self, among: NDArray[np.int64]) -> NDArray[np.int64]:
        """As many of the windows `among` (A,), ascending, as share no sound with each other, from the first on."""
        kept: list[int] = []
        for one in among.tolist():
            if kept and self.stretch[kept[-1]] == self.stretch[one]:
                steps = self.place[one] - self.place[kept[-1]]
                if steps * self.hop_s[one] < WINDOW_SECONDS - 1e-9:
                    continue
            kept.append(one)
        return np.asarray(kept, dtype=np.int64)
