"""The newest mel frames of many streams, in one block of memory on the device."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from asdstream.models.fbank import MEL_BANDS

FIRST_RINGS = 4


class FrameRings:
    """Rings of `length` frames, float32, each frame of as many kinds as there are `silences`.

    A silence (128,) is what stands, in frames of its kind, beyond the end of a window. All rings are written and read
    together, in one step for each kind, because on a GPU a step for each ring would cost more than the frames. Room
    doubles when the rings are all taken, and a released one is taken again.
    """

    def __init__(self, silences: Sequence[Tensor], length: int) -> None:
        self._length = length
        # Silence lies in the first row, then come the rings.
        self._frames = [silence[None].clone() for silence in silences]
        self._free: list[int] = []

    @property
    def room(self) -> int:
        """How many rings there is memory for."""
        return (len(self._frames[0]) - 1) // self._length

    def take(self) -> int:
        """A ring that is nobody's; what it holds is of no meaning."""
        if not self._free:
            taken = self.room
            more = max(FIRST_RINGS, taken)
            self._frames = [
                torch.cat([frames, frames.new_zeros(more * self._length, MEL_BANDS)]) for frames in self._frames
            ]
            self._free = list(range(taken + more - 1, taken - 1, -1))
        return self._free.pop()

    def release(self, ring: int) -> None:
        """Give a ring back."""
        self._free.append(ring)

    def rows(self, ring: int, first: int, count: int) -> NDArray[np.int64]:
        """Where `count` frames of a ring lie that begin with frame `first`, counted without end."""
        return 1 + ring * self._length + np.arange(first, first + count) % self._length

    def write(self, rows: NDArray[np.int64], frames: Sequence[Tensor]) -> None:
        """Put frames (..., 128) of each kind at `rows` (...), of which none may be there twice."""
        places = self._places(rows).reshape(-1)
        for held, new in zip(self._frames, frames, strict=True):
            held.index_copy_(0, places, new.reshape(-1, MEL_BANDS))

    def read(self, rows: NDArray[np.int64], counts: Sequence[int]) -> list[Tensor]:
        """The frames (B, count, 128) of each kind at `rows` (B, T), as a copy, cut or followed by silence."""
        places = self._places(rows)
        found = []
        for held, count in zip(self._frames, counts, strict=True):
            wanted = F.pad(places, (0, count - rows.shape[1]))
            found.append(held.index_select(0, wanted.reshape(-1)).view(len(rows), count, MEL_BANDS))
        return found

    def _places(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(rows).to(self._frames[0].device)
