"""A window as one of a stream, with which it shares most of its sound."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REMEMBERED_S = 30.0
"""A stream that has been quiet for longer shares nothing with its next window, which is ten seconds long."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamWindow:
    """A window of a stream: of a channel's sound as it is, or of what one separator makes of it.

    `samples` (160000,) are finite and never change, so that whoever remembers them need not copy them; `run`, `start`
    and `captured` are those of `asdstream.audio.window.Window`.
    """

    stream: Hashable
    run: int
    start: int
    captured: float
    samples: NDArray[np.float32]


def rounds(windows: Sequence[StreamWindow]) -> Iterator[list[int]]:
    """The places of windows, so that no stream is in a round twice and its windows keep their order."""
    left = list(range(len(windows)))
    while left:
        taken = {windows[i].stream: i for i in reversed(left)}
        yield sorted(taken.values())
        left = [i for i in left if taken[windows[i].stream] != i]
