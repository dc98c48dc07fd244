"""The newest sound of a channel, in memory that never grows."""

import numpy as np
from numpy.typing import NDArray


class Ring:
    """The last `capacity` samples of a stream; `total` counts all that were ever appended since the last clear."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a ring holds at least one sample, not {capacity}")
        self.capacity = capacity
        self.total = 0
        self._samples = np.zeros(capacity, np.float32)

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add (n,) samples, overwriting the oldest."""
        kept = samples[-self.capacity :]
        start = (self.total + len(samples) - len(kept)) % self.capacity
        first = min(len(kept), self.capacity - start)
        self._samples[start : start + first] = kept[:first]
        self._samples[: len(kept) - first] = kept[first:]
        self.total += len(samples)

    def last(self, count: int) -> NDArray[np.float32]:
        """A copy of the newest `count` samples, oldest first; ValueError where there are fewer."""
        if count > min(self.total, self.capacity):
            raise ValueError(f"{count} samples asked of a ring that holds {min(self.total, self.capacity)}")
        end = self.total % self.capacity
        if count <= end:
            return self._samples[end - count : end].copy()
        return np.concatenate([self._samples[self.capacity - (count - end) :], self._samples[:end]])

    def clear(self) -> None:
        """Begin anew, empty."""
        self.total = 0
