"""From one score per branch to one score: the mean, of the scores as they are or brought to one scale first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class BranchMean:
    """Mean over the branches of (score - centre) / scale; `centre` and `scale` are (branches,)."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def plain(cls, branches: int) -> "BranchMean":
        """The mean of the scores as they are: System-2 of Zhang, Chen and Li."""
        return cls(np.zeros(branches), np.ones(branches))

    @classmethod
    def normalised(cls, held_out: NDArray[np.float64]) -> "BranchMean":
        """The mean of z-scores, each branch measured by the scores (clips, branches) of training clips left out.

        A branch whose normal scores spread widely otherwise drowns the others.
        """
        scale = held_out.std(axis=0)
        return cls(held_out.mean(axis=0), np.where(scale > 0, scale, 1.0))

    def levelled(self, held_out: NDArray[np.float64], groups: int) -> "BranchMean":
        """The mean of z-scores of `groups` equal groups of branches, each group being one by this mean already.

        `held_out` (clips, branches) are scores of training clips left out, the branches of a group side by side.
        """
        inside = ((held_out - self.centre) / self.scale).reshape(len(held_out), groups, -1)
        level, spread = inside.mean(axis=2).mean(axis=0), inside.mean(axis=2).std(axis=0)
        size = inside.shape[2]
        centre = self.centre + self.scale * np.repeat(level, size)
        return BranchMean(centre, self.scale * np.repeat(np.where(spread > 0, spread, 1.0), size))

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores (..., branches) to (...,)."""
        return np.asarray(((scores - self.centre) / self.scale).mean(axis=-1))
