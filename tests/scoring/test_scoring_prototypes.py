"""Nearest prototypes are those with the smallest cosine distance."""

import threading

import faiss
import numpy as np
import pytest
import torch

from asdstream.scoring.errors import ScoringError
from asdstream.scoring.prototypes import PrototypeSet


def random_vectors(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


@pytest.mark.parametrize("queries", [1, 7, 64])
def test_distances_are_those_of_the_definition(queries: int) -> None:
    bank, asked = random_vectors(26), random_vectors(queries, seed=1)
    prototypes = PrototypeSet("audiomae", bank, [f"source/{i}" for i in range(26)])
    distances, indices = prototypes.search(asked, k=3)
    a = asked.astype(np.float64) / np.linalg.norm(asked.astype(np.float64), axis=1, keepdims=True)
    b = bank.astype(np.float64) / np.linalg.norm(bank.astype(np.float64), axis=1, keepdims=True)
    expected = 1 - a @ b.T
    np.testing.assert_array_equal(indices, np.argsort(expected, axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :3], atol=1e-6)


def test_the_length_of_a_vector_does_not_matter() -> None:
    prototypes = PrototypeSet("audiomae", 1000 * random_vectors(4), ["a", "b", "c", "d"])
    distances, indices = prototypes.search(1e-3 * random_vectors(4))
    np.testing.assert_allclose(distances, 0, atol=1e-6)
    assert indices[:, 0].tolist() == [0, 1, 2, 3]


def test_no_distance_is_negative() -> None:
    vectors = random_vectors(500)
    distances, _ = PrototypeSet("audiomae", vectors, ["x"] * 500).search(vectors)
    assert float(distances.min()) >= 0


def test_fewer_prototypes_than_asked_for_are_all_given() -> None:
    distances, indices = PrototypeSet("audiomae", random_vectors(2), ["a", "b"]).search(random_vectors(1, seed=1), k=5)
    assert distances.shape == indices.shape == (1, 2)
    assert sorted(indices[0].tolist()) == [0, 1]


def test_a_prototype_set_cannot_be_changed() -> None:
    given = random_vectors(3)
    prototypes = PrototypeSet("audiomae", given, ["a", "b", "c"])
    with pytest.raises(ValueError, match="read-only"):
        prototypes.vectors[0] = 0
    given[:] = 1
    assert prototypes.search(random_vectors(1))[0][0, 0] < 1e-6


@pytest.mark.parametrize(
    ("vectors", "labels"),
    [
        (np.zeros((0, 4), np.float32), []),
        (np.zeros((1, 4), np.float32), ["a"]),
        (np.full((1, 4), np.nan, np.float32), ["a"]),
        (np.ones(4, np.float32), ["a"]),
        (np.ones((2, 4), np.float32), ["a"]),
    ],
)
def test_prototypes_that_are_none_are_refused(vectors: np.ndarray, labels: list[str]) -> None:
    with pytest.raises(ScoringError):
        PrototypeSet("audiomae", vectors, labels)


@pytest.mark.parametrize("query", [np.ones((1, 5)), np.full((1, 32), np.nan), np.zeros((1, 32))])
def test_an_embedding_that_does_not_fit_gives_an_error_and_never_a_distance(query: np.ndarray) -> None:
    prototypes = PrototypeSet("audiomae", random_vectors(3), ["a", "b", "c"])
    with pytest.raises(ScoringError, match="embedding of branch 'audiomae'"):
        prototypes.search(query.astype(np.float32))


def test_a_search_leaves_the_number_of_threads_of_the_networks_alone() -> None:
    prototypes = PrototypeSet("audiomae", random_vectors(3), ["a", "b", "c"])
    seen: list[tuple[int, int]] = []

    def work() -> None:
        faiss.omp_set_num_threads(2)
        before = torch.get_num_threads()
        prototypes.search(random_vectors(1))
        seen.append((before, torch.get_num_threads()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0][0] == seen[0][1]
