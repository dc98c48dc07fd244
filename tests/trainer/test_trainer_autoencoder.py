import numpy as np
import pytest
import torch
from torch import nn

from trainer.autoencoder import (
    Autoencoder,
    AutoencoderSettings,
    Epoch,
    ErrorCovariance,
    SelectiveMahalanobis,
    mean_squared_error,
    residual,
    stacked,
    train_autoencoder,
)
from trainer.errors import DataError


def normal_clips(count: int = 6, frames: int = 60, seed: int = 0) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    shape = rng.standard_normal((2, 128))
    return [torch.from_numpy(rng.standard_normal((frames, 2)) @ shape).float() for _ in range(count)]


def test_the_network_is_the_published_one() -> None:
    network = Autoencoder()
    widths = [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert widths == [(640, 128), *[(128, 128)] * 3, (128, 8), (8, 128), *[(128, 128)] * 3, (128, 640)]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in network.modules()) == 9
    assert network(torch.zeros(3, 640)).shape == (3, 640)


def test_a_vector_is_five_neighbouring_frames_the_earliest_first() -> None:
    frames = torch.arange(7 * 128).float().reshape(7, 128)
    vectors = stacked(frames)
    assert vectors.shape == (3, 640)
    assert torch.equal(vectors[1], frames[1:6].flatten())


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    clips = normal_clips()

    def weights(seed: int) -> torch.Tensor:
        network = train_autoencoder(clips, AutoencoderSettings(epochs=2, seed=seed))
        return torch.cat([value.flatten() for value in network.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_the_number_of_threads_changes_nothing_and_is_put_back() -> None:
    weights = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        weights.append(train_autoencoder(normal_clips(), AutoencoderSettings(epochs=1)).state_dict())
        assert torch.get_num_threads() == threads
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_training_makes_the_loss_fall_on_what_it_does_not_train_on_as_well() -> None:
    epochs: list[Epoch] = []
    train_autoencoder(normal_clips(), AutoencoderSettings(epochs=40, batch_size=16), on_epoch=epochs.append)
    assert [epoch.epoch for epoch in epochs] == list(range(1, 41))
    first, last = epochs[0].validation_loss, epochs[-1].validation_loss
    assert first is not None
    assert last is not None
    assert last < 0.6 * first
    assert epochs[-1].loss < 0.6 * epochs[0].loss


def test_a_clip_shorter_than_a_vector_is_refused() -> None:
    with pytest.raises(DataError, match="a clip has 4 frames"):
        train_autoencoder([torch.zeros(4, 128)], AutoencoderSettings(epochs=1))


def test_the_first_score_is_the_mean_squared_error_over_the_clip() -> None:
    network = Autoencoder().eval()
    (clip,) = normal_clips(1)
    with torch.inference_mode():
        expected = nn.functional.mse_loss(network(stacked(clip)), stacked(clip))
    assert mean_squared_error(residual(network, clip)) == pytest.approx(float(expected), rel=1e-5)


def errors(scale: torch.Tensor, seed: int, clips: int = 20) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(30, 5, 128, generator=generator) * scale for _ in range(clips)]


def covariance(found: list[torch.Tensor]) -> ErrorCovariance:
    gathered = ErrorCovariance()
    for missed in found:
        gathered.add(missed)
    return gathered


def test_the_covariance_gathered_clip_by_clip_is_that_of_all_frames() -> None:
    found = errors(torch.linspace(0.5, 2.0, 128), seed=0)
    together = torch.cat([missed.flatten(0, 1) for missed in found]).double()
    assert torch.allclose(covariance(found).precision(), torch.linalg.inv(torch.cov(together.T)), rtol=1e-6)


def test_the_second_score_is_the_distance_to_the_domain_that_a_clip_resembles_most() -> None:
    low, high = torch.ones(128), torch.ones(128)
    low[:64], high[64:] = 5.0, 5.0
    source, target = covariance(errors(low, 1)), covariance(errors(high, 2))
    selective = SelectiveMahalanobis(source, target)
    for scale, own, other in ((low, source, target), (high, target, source)):
        (clip,) = errors(scale, seed=3, clips=1)
        assert selective(clip) == SelectiveMahalanobis(own)(clip)
        assert selective(clip) < SelectiveMahalanobis(other)(clip)


def test_the_distance_is_that_of_the_mean_error_as_in_the_published_code() -> None:
    source = covariance(errors(torch.ones(128), 1))
    (clip,) = errors(torch.ones(128), seed=5, clips=1)
    rows = clip.double().flatten(0, 1)
    all_pairs = rows @ source.precision() @ rows.T
    assert SelectiveMahalanobis(source)(clip) == pytest.approx(float(all_pairs.mean()), rel=1e-6)


def test_without_target_clips_the_source_domain_stands_alone() -> None:
    source = covariance(errors(torch.ones(128), 1))
    (clip,) = errors(torch.ones(128), seed=5, clips=1)
    assert SelectiveMahalanobis(source, ErrorCovariance())(clip) == SelectiveMahalanobis(source)(clip)


def test_a_band_without_variance_does_not_make_the_distance_infinite() -> None:
    scale = torch.ones(128)
    scale[3] = 0.0
    (clip,) = errors(scale, seed=5, clips=1)
    assert np.isfinite(SelectiveMahalanobis(covariance(errors(scale, 1)))(clip))
