"""The bank of normal sound that a window is held against."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import faiss
import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.errors import ScoringError
from asdstream.scoring.nearest import nearest_search


def unit_rows(vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """Scale the rows of `vectors` (n, D) to unit length.

    Raises ScoringError, naming `what`, for another shape, for NaN or infinity and for rows of length zero.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise ScoringError(f"{what}: vectors of shape {rows.shape} where (n, D) is expected")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or (lengths.size and float(lengths.min()) < 1e-12):
        raise ScoringError(f"{what}: a vector is zero, NaN or infinite and has no cosine distance")
    return np.ascontiguousarray(rows / lengths, dtype=np.float32)


class PrototypeSet:
    """Prototypes of one branch, immutable: `vectors` (P, D), scaled to unit length here, and a label for each.

    Safe to search from several threads. Cosine distance is 1 - cos, 0 to 2, by an exact FAISS index.
    """

    def __init__(self, branch: str, vectors: NDArray[np.float32], labels: Sequence[str]) -> None:
        self.branch = branch
        self.vectors = unit_rows(vectors, f"prototypes of branch {branch!r}")
        self.vectors.setflags(write=False)
        self.labels = tuple(labels)
        if len(self.labels) != len(self.vectors):
            raise ScoringError(f"branch {branch!r} has {len(self.vectors)} prototypes and {len(self.labels)} labels")
        if len(self.vectors) == 0:
            raise ScoringError(f"branch {branch!r} has no prototypes; at least one is needed")
        self._search = nearest_search(self.vectors)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def search(self, vectors: NDArray[np.float32], k: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the `k` nearest prototypes of each row of `vectors` (B, D), which are scaled to unit length here.

        Returns cosine distances (B, min(k, P)), smallest first, and indices into `labels` of the same shape.
        """
        queries = unit_rows(vectors, f"embedding of branch {self.branch!r}")
        if queries.shape[1] != self.size:
            raise ScoringError(
                f"embedding of branch {self.branch!r} has {queries.shape[1]} numbers; its prototypes have {self.size}"
            )
        with _one_thread():
            similarities, indices = self._search(queries, min(k, len(self)))
        return np.clip(1.0 - similarities, 0.0, 2.0).astype(np.float32), indices.astype(np.int64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Waking a pool costs more than comparing with a few hundred prototypes.

    The number is put back, because torch reads the same one: left at 1 it would slow down a network that runs on the
    thread that also searches.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
