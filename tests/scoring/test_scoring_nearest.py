"""The nearest vectors are found on the CPU, and on a GPU only where there is one and there are many."""

from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from asdstream.scoring import nearest


def rows(count: int, size: int = 8) -> np.ndarray:
    made = np.random.default_rng(count).normal(size=(count, size)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


class PretendGpu:
    """FAISS with a GPU, whose index counts its searches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpus: int = 1) -> None:
        self.searches = 0
        monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: gpus, raising=False)
        monkeypatch.setattr(faiss, "index_cpu_to_gpu", self._move, raising=False)

    def _move(self, _resources: object, _device: int, index: faiss.Index) -> SimpleNamespace:
        def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            self.searches += 1
            found: tuple[np.ndarray, np.ndarray] = index.search(queries, k)
            return found

        return SimpleNamespace(search=search)


def test_the_most_similar_rows_come_first() -> None:
    vectors = rows(50)
    similarities, places = nearest.nearest_search(vectors)(vectors[[7]], 3)
    expected = vectors @ vectors[7]
    assert places[0].tolist() == np.argsort(-expected)[:3].tolist()
    np.testing.assert_allclose(similarities[0], np.sort(expected)[::-1][:3], atol=1e-6)


@pytest.mark.parametrize(("count", "gpus", "searches"), [(49, 1, 0), (50, 1, 1), (50, 0, 0)])
def test_a_gpu_is_used_where_there_is_one_and_the_rows_are_many(
    monkeypatch: pytest.MonkeyPatch, count: int, gpus: int, searches: int
) -> None:
    gpu = PretendGpu(monkeypatch, gpus)
    monkeypatch.setattr(nearest, "GPU_PAYS_FROM", 50 * 8)
    vectors = rows(count)
    _, places = nearest.nearest_search(vectors)(vectors[:2], 1)
    assert places[:, 0].tolist() == [0, 1]
    assert gpu.searches == searches


def test_faiss_for_the_cpu_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(faiss, "StandardGpuResources", raising=False)
    monkeypatch.setattr(nearest, "GPU_PAYS_FROM", 0)
    vectors = rows(5)
    assert nearest.nearest_search(vectors)(vectors, 1)[1][:, 0].tolist() == [0, 1, 2, 3, 4]
