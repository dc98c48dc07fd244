"""Normal sound as a few vectors."""

import numpy as np
import pytest

from trainer.errors import DataError
from trainer.prototypes import nearest_distances, source_prototypes, unit_length


def clusters(count: int, each: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    centres = unit_length(generator.standard_normal((count, 12)).astype(np.float32))
    spread = 0.01 * generator.standard_normal((count, each, 12)).astype(np.float32)
    return unit_length((centres[:, None] + spread).reshape(-1, 12))


def test_the_centroids_are_where_the_clusters_are_and_of_unit_length() -> None:
    embeddings = clusters(4, 30)
    prototypes = source_prototypes(embeddings, 4, seed=1)
    assert prototypes.shape == (4, 12)
    assert np.linalg.norm(prototypes, axis=1) == pytest.approx(1.0)
    assert nearest_distances(embeddings, prototypes).max() < 0.01


def test_the_same_seed_gives_the_same_centroids() -> None:
    embeddings = clusters(6, 10)
    assert np.array_equal(source_prototypes(embeddings, 4, seed=1), source_prototypes(embeddings, 4, seed=1))


def test_fewer_embeddings_than_centroids_are_all_prototypes() -> None:
    embeddings = clusters(3, 1)
    assert np.allclose(source_prototypes(embeddings, 16, seed=1), embeddings)


def test_nothing_has_no_prototypes() -> None:
    with pytest.raises(DataError, match="no source-domain embedding"):
        source_prototypes(np.zeros((0, 12), dtype=np.float32), 16, seed=1)


def test_the_distance_is_one_minus_the_cosine_to_the_nearest() -> None:
    prototypes = np.eye(3, dtype=np.float32)
    embeddings = unit_length(np.array([[1, 1, 0], [0, 0, 2], [-1, -1, -1]], dtype=np.float32))
    assert nearest_distances(embeddings, prototypes) == pytest.approx([1 - 0.5**0.5, 0.0, 1 + 3**-0.5])
