"""Windows become unit-length embeddings, or an error that names them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from asdstream import bundle
from asdstream.audio.window import Window
from asdstream.bundle import Branch, Bundle, BundleContents, EncoderContents
from asdstream.engine.embedder import Embedder
from asdstream.engine.errors import EmbeddingError, EngineError
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.pooling import mean_pool

WIDTH = 24


@pytest.fixture(scope="module")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.manual_seed(0)
    config = dataclasses.replace(AudioMAEConfig.tiny(), embed_dim=WIDTH, depth=2, heads=2)
    contents = BundleContents(
        name="small",
        trainer_version="0.1.0",
        licence_notes=(),
        encoders={"audiomae": EncoderContents("audiomae", config.to_dict(), AudioMAE(config).state_dict())},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={},
    )
    return bundle.save(Path(tmp_path_factory.mktemp("bundle")) / "small", contents)


@pytest.fixture(scope="module")
def embedder(small_bundle: Bundle) -> Embedder:
    return Embedder(small_bundle, device="cpu", precision="float32", threads=1, max_batch=3)


def sound(count: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).normal(size=(count, 160_000))).astype(np.float32)


def test_an_embedding_is_the_mean_over_patch_tokens_scaled_to_unit_length(
    embedder: Embedder, small_bundle: Bundle
) -> None:
    samples = sound(2)
    vectors = embedder.embed_samples(samples)["audiomae"]
    assert vectors.shape == (2, WIDTH)
    assert vectors.dtype == np.float32
    with torch.inference_mode():
        pooled = mean_pool(small_bundle.build_encoder("audiomae")(torch.from_numpy(samples)))
    expected = torch.nn.functional.normalize(pooled).numpy()
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_an_embedding_does_not_depend_on_the_batch_it_was_made_in(embedder: Embedder) -> None:
    samples = sound(7)
    together = embedder.embed_samples(samples)["audiomae"]
    alone = np.concatenate([embedder.embed_samples(row[None])["audiomae"] for row in samples])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_each_window_gets_its_embedding_in_order(embedder: Embedder) -> None:
    samples = sound(4)
    windows = [Window("north", i, row, 0.0, 10.0, 0.0) for i, row in enumerate(samples)]
    embeddings = embedder.embed(windows)
    expected = embedder.embed_samples(samples)["audiomae"]
    for i, made in enumerate(embeddings):
        assert made.window is windows[i]
        np.testing.assert_array_equal(made.vectors["audiomae"], expected[i])
    assert embedder.embed([]) == []
    assert embedder.embed_samples(np.zeros((0, 160_000), np.float32))["audiomae"].shape[0] == 0


def test_bfloat16_stays_close_to_float32(embedder: Embedder, small_bundle: Bundle) -> None:
    samples = sound(2)
    coarse = Embedder(small_bundle, device="cpu", precision="bfloat16", threads=1).embed_samples(samples)["audiomae"]
    fine = embedder.embed_samples(samples)["audiomae"]
    assert coarse.dtype == np.float32
    assert float(np.max(1 - np.sum(coarse * fine, axis=1))) < 1e-3


def test_samples_that_are_not_finite_give_an_error_that_names_the_window(embedder: Embedder) -> None:
    samples = sound(5)
    samples[3, 17] = np.nan
    samples[4, 0] = np.inf
    windows = [Window("north", 40 + i, row, 0.0, 10.0, 0.0) for i, row in enumerate(samples)]
    with pytest.raises(EmbeddingError, match="window 43 of channel 'north' \\(and 1 more\\)") as caught:
        embedder.embed(windows)
    assert caught.value.positions == (3, 4)


def test_a_network_that_gives_nan_is_an_error_that_names_the_window(small_bundle: Bundle) -> None:
    broken = Embedder(small_bundle, device="cpu", precision="float32", threads=1)
    with torch.inference_mode():
        broken._encoders._encoders["audiomae"].norm.bias[0] = float("nan")  # type: ignore[union-attr, operator]
    with pytest.raises(EmbeddingError, match=r"window 8 of channel 'north'.*branch 'audiomae'"):
        broken.embed([Window("north", 8, sound(1)[0], 0.0, 10.0, 0.0)])


@pytest.mark.parametrize("level", [0.0, 1e-30, 1.0, 1e4, 3e38])
def test_sound_of_any_level_gives_a_finite_embedding(embedder: Embedder, level: float) -> None:
    vectors = embedder.embed_samples(np.full((1, 160_000), level, np.float32))["audiomae"]
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("shape", [(160_000,), (1, 159_999), (1, 1, 160_000)])
def test_windows_of_another_shape_are_refused(embedder: Embedder, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="160000"):
        embedder.embed_samples(np.zeros(shape, np.float32))


def test_the_number_of_threads_is_set(small_bundle: Bundle) -> None:
    torch.set_num_threads(2)
    Embedder(small_bundle, device="cpu", threads=1)
    assert torch.get_num_threads() == 1


def test_warming_up_takes_time_and_changes_nothing(embedder: Embedder) -> None:
    before = embedder.embed_samples(sound(1))["audiomae"]
    assert embedder.warm_up((1, 2)) > 0
    np.testing.assert_array_equal(embedder.embed_samples(sound(1))["audiomae"], before)


def test_a_batch_size_of_nothing_is_refused(small_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="max_batch"):
        Embedder(small_bundle, max_batch=0)
