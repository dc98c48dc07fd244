"""Normal sound as a few vectors, and the scores that follow from them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.scoring.errors import CalibrationError
from trainer.calibrate import calibrate, target_scores
from trainer.errors import DataError
from trainer.prototypes import centroids, fit_prototypes, window_scores


def rows(count: int, seed: int = 5, spread: float = 1.0) -> NDArray[np.float32]:
    """Unit-length vectors around the first axis."""
    vectors = spread * np.random.default_rng(seed).standard_normal((count, 12)) + 5 * np.eye(1, 12)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recording(vectors: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return {"one": vectors}


def test_the_centroids_are_where_the_clusters_are_and_of_unit_length() -> None:
    centres = np.eye(4, 12, dtype=np.float32)
    embeddings = np.repeat(centres, 30, axis=0) + 0.01 * np.random.default_rng(1).standard_normal((120, 12))
    found = centroids(embeddings.astype(np.float32), 4, seed=1)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0)
    assert np.sort((found @ centres.T).max(axis=0)) == pytest.approx(1.0, abs=1e-3)


def test_the_same_seed_gives_the_same_centroids() -> None:
    assert np.array_equal(centroids(rows(60), 4, seed=1), centroids(rows(60), 4, seed=1))


def test_fewer_embeddings_than_centroids_are_all_prototypes() -> None:
    assert np.allclose(centroids(rows(3), 16, seed=1), rows(3))


def test_target_recordings_are_prototypes_as_they_are() -> None:
    fitted = fit_prototypes([recording(rows(40))], [recording(rows(1, 7)), recording(rows(2, 8))], 4, seed=1)
    assert fitted["one"].source.shape == (4, 12)
    assert np.array_equal(fitted["one"].target, np.concatenate([rows(1, 7), rows(2, 8)]))


def test_without_target_recordings_there_are_no_target_prototypes() -> None:
    assert fit_prototypes([recording(rows(40))], [], 4, seed=1)["one"].target.shape == (0, 12)


def test_nothing_has_no_prototypes() -> None:
    with pytest.raises(DataError, match="no source-domain recording"):
        fit_prototypes([], [], 16, seed=1)


def test_the_score_is_the_smallest_cosine_distance_averaged_over_the_branches() -> None:
    axes = np.eye(3, dtype=np.float32)
    one = fit_prototypes([{"one": axes[:1], "two": axes[1:2]}], [{"one": axes[1:2], "two": axes[1:2]}], 1, seed=1)
    scores = window_scores(one, {"one": axes[:3], "two": axes[:3]})
    assert scores == pytest.approx([0.5, 0.0, 1.0])


def test_a_target_recording_is_scored_without_itself() -> None:
    axes = np.eye(3, dtype=np.float32)
    target = [recording(axes[1:3]), recording(axes[2:3])]
    first, second = target_scores(fit_prototypes([recording(axes[:1])], target, 1, seed=1), target)
    # The third axis stands in both recordings, the second in one alone.
    assert first == pytest.approx([1.0, 0.0])
    assert second == pytest.approx([0.0])


def test_the_calibration_counts_windows_that_share_no_sound() -> None:
    fitted = fit_prototypes([recording(rows(100))], [], 8, seed=1)
    held_out = [recording(rows(21, seed)) for seed in range(10, 14)]
    calibration = calibrate(fitted, held_out, [], hop_seconds=1.0)
    assert calibration.scores == 84
    assert calibration.looks == pytest.approx(4 * 3.0)
    scores = np.concatenate([window_scores(fitted, vectors) for vectors in held_out])
    assert calibration.median == pytest.approx(np.median(scores))


def test_target_sound_widens_the_calibration() -> None:
    target = [recording(rows(1, seed, spread=3.0)) for seed in range(20, 30)]
    fitted = fit_prototypes([recording(rows(100))], target, 8, seed=1)
    held_out = [recording(rows(41, seed)) for seed in range(10, 14)]
    alone = calibrate(fitted, held_out, [], hop_seconds=1.0)
    both = calibrate(fitted, held_out, target, hop_seconds=1.0)
    assert both.threshold(1.0, 1.0, 3, 5) > alone.threshold(1.0, 1.0, 3, 5)


def test_too_little_sound_has_no_calibration() -> None:
    fitted = fit_prototypes([recording(rows(100))], [], 8, seed=1)
    with pytest.raises(CalibrationError, match="too little normal sound"):
        calibrate(fitted, [recording(rows(21))], [], hop_seconds=1.0)
