"""Scores the clips of one section against normal sound, with the back end that was chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.backends.back_end import BackEnd, FittedBackEnd, NormalSound
from trainer.backends.branch_mean import BranchMean
from trainer.catalogue import Clip, Domain
from trainer.embeddings import Vectors
from trainer.randomness import derived_seed, numpy_generator

FOLDS = 5

Embedded = tuple[Clip, Vectors]
"""A clip and the embeddings of its windows by branch."""


@dataclass(frozen=True, slots=True, eq=False)
class SectionScorer:
    """A back end fitted to every branch of one section's training clips.

    `held_out` (training clips,) are the scores of the training clips, each against a back end fitted without its fold.
    """

    branches: dict[str, FittedBackEnd]
    mean: BranchMean
    held_out: NDArray[np.float64]

    def clip_scores(self, clips: Sequence[Vectors]) -> NDArray[np.float64]:
        """The mean over its windows is the score of a clip: (clips,)."""
        return self.mean(_branch_scores(self.branches, clips))


def fit_section(
    train: Sequence[Embedded], back_end: BackEnd, seed: int, *, normalise: bool = False, hearings: int = 1
) -> SectionScorer:
    """Fit to the training clips; `normalise` brings the branches to one scale before their mean is taken.

    With several `hearings` the branches are that many equal groups, one beside the other, of the same sound heard in
    different ways; the score is then the mean of the groups' scores brought to one scale.

    Nothing is fitted on anything but `train`. Raises DataError where that does not suffice.
    """
    folds = _folds(train, seed)
    branches = _fit(train, back_end, seed)
    held_out = np.empty((len(train), len(branches)))
    for fold in range(FOLDS):
        inside = folds == fold
        fitted = _fit([pair for pair, out in zip(train, inside, strict=True) if not out], back_end, seed)
        held_out[inside] = _branch_scores(fitted, [pair[1] for pair, out in zip(train, inside, strict=True) if out])
    mean = BranchMean.normalised(held_out) if normalise else BranchMean.plain(len(branches))
    if hearings > 1:
        mean = mean.levelled(held_out, hearings)
    return SectionScorer(branches, mean, mean(held_out))


def normal_sound(train: Sequence[Embedded], branch: str) -> NormalSound:
    """The embeddings of one branch by domain."""

    def of(domain: Domain) -> tuple[NDArray[np.float32], ...]:
        return tuple(vectors[branch] for clip, vectors in train if clip.domain is domain)

    return NormalSound(of(Domain.SOURCE), of(Domain.TARGET))


def _fit(train: Sequence[Embedded], back_end: BackEnd, seed: int) -> dict[str, FittedBackEnd]:
    clip, vectors = train[0]
    seed = derived_seed(seed, "centroids", clip.machine, clip.section)
    return {branch: back_end.fit(normal_sound(train, branch), seed) for branch in vectors}


def _branch_scores(branches: dict[str, FittedBackEnd], clips: Sequence[Vectors]) -> NDArray[np.float64]:
    rows = [[fitted.score(vectors[branch]).mean() for branch, fitted in branches.items()] for vectors in clips]
    return np.array(rows).reshape(len(clips), len(branches))


def _folds(train: Sequence[Embedded], seed: int) -> NDArray[np.int_]:
    """A fold for each training clip, both domains spread over all of them."""
    folds = np.empty(len(train), dtype=int)
    for domain in Domain:
        members = [index for index, (clip, _) in enumerate(train) if clip.domain is domain]
        folds[members] = numpy_generator(seed, "folds", domain).permutation(len(members)) % FOLDS
    return folds
