"""What the masked autoencoder expects of a sound, as the engine tells it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream import bundle as bundles
from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.bundle import Bundle
from asdstream.engine.device import choose
from asdstream.engine.embedder import Embedder
from asdstream.engine.reconstruction import Reconstruction
from asdstream.evidence.error_mapping import ErrorMapping

CPU = choose("cpu", "float32", 1)


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return bundles.load(bundles.resolve("builtin:demo"))


def noise(seed: int) -> NDArray[np.float32]:
    return (0.02 * np.random.default_rng(seed).standard_normal(WINDOW_SAMPLES)).astype(np.float32)


def at_once(work: Callable[[], NDArray[np.float32]], within_s: float | None = None) -> NDArray[np.float32]:
    assert within_s is not None
    return work()


def tone_from_five_seconds(hertz: float) -> NDArray[np.float32]:
    t = np.arange(WINDOW_SAMPLES) / 16_000
    return np.where(t >= 5.0, 0.2 * np.sin(2 * np.pi * hertz * t), 0.0).astype(np.float32)


def test_every_patch_of_a_window_is_drawn_while_it_is_hidden(demo: Bundle) -> None:
    reconstruction = Reconstruction(demo, CPU)
    grid = reconstruction.patches
    assert grid is not None
    assert (grid.turns, grid.times, grid.bands, grid.step_s) == (5, 62, 8, 0.16)
    assert (grid.edges_hz[0], grid.edges_hz[-1]) == (20.0, 8_000.0)
    both = np.stack([noise(1), noise(2)])
    errors = np.stack([reconstruction.errors(both, turn) for turn in range(grid.turns)])
    assert errors.shape == (5, 2, 62, 8)
    assert (~np.isnan(errors)).sum(axis=0).min() == 4
    again = reconstruction.errors(both[1:], 3)
    assert np.allclose(errors[3, 1:], again, atol=1e-3, equal_nan=True), "it depends on nothing but the window"


def test_a_bundle_without_a_decoder_has_no_patches(demo: Bundle) -> None:
    entry = dataclasses.replace(demo.encoders["audiomae"], decoder=None)
    without = dataclasses.replace(demo, encoders={"audiomae": entry})
    reconstruction = Reconstruction(without, CPU)
    assert reconstruction.patches is None
    with pytest.raises(ValueError, match="no decoder"):
        reconstruction.errors(noise(1)[None], 0)


def test_the_decoder_is_not_read_before_it_is_needed(demo: Bundle, tmp_path: Path) -> None:
    gone = dataclasses.replace(demo, path=tmp_path)
    reconstruction = Reconstruction(gone, CPU)
    with pytest.raises(bundles.BundleError):
        _ = reconstruction.patches


def test_a_tone_that_nothing_announces_is_the_strongest_region_of_the_map(demo: Bundle) -> None:
    engine = Embedder(demo, device="cpu", threads=1)
    mapping = ErrorMapping(engine, at_once)
    found = mapping.map(noise(2) + tone_from_five_seconds(3_000.0), noise(1)[:16_000])
    assert found is not None
    assert found.region is not None
    assert found.region.low_hz <= 3_000.0 <= found.region.high_hz
    assert found.region.high_hz < 6_000.0
    assert found.region.from_s >= 4.8
    assert found.excess_db.shape == (8, 62)
    assert np.isfinite(found.excess_db).all()
