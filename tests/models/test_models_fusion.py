"""Pooling and fusion compute what their equations say."""

import pytest
import torch
from torch import Tensor

from asdstream.models.attentive_pooling import AttentiveStatisticsPooling
from asdstream.models.fusion import AttentiveFusion, MeanFusion
from asdstream.models.pooling import band_pool, mean_pool

DIM = 12


@pytest.fixture
def beats_tokens() -> Tensor:
    return torch.randn(3, 62 * 8, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def audiomae_tokens() -> Tensor:
    return torch.randn(3, 1 + 64 * 8, DIM, generator=torch.Generator().manual_seed(2))


def pooling(*, deviation: bool = False) -> AttentiveStatisticsPooling:
    torch.manual_seed(3)
    return AttentiveStatisticsPooling(DIM, 5, deviation=deviation)


def by_hand(pool: AttentiveStatisticsPooling, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Equation 4 for one clip (L, D), token by token; and the deviation that goes with it."""
    hidden, weight = pool.hidden.weight, pool.weight.weight[0]
    scores = torch.stack([weight @ torch.tanh(hidden @ token) for token in tokens])
    attention = scores.exp() / scores.exp().sum()
    mean = sum((a * h for a, h in zip(attention, tokens, strict=True)), torch.zeros(DIM))
    square = sum((a * h * h for a, h in zip(attention, tokens, strict=True)), torch.zeros(DIM))
    return mean, (square - mean * mean).sqrt()


def test_attentive_pooling_is_equation_4(beats_tokens: Tensor) -> None:
    pool = pooling()
    with torch.inference_mode():
        pooled = pool(beats_tokens)
        assert pooled.shape == (3, DIM)
        for row, tokens in zip(pooled, beats_tokens, strict=True):
            torch.testing.assert_close(row, by_hand(pool, tokens)[0], atol=1e-5, rtol=1e-5)


def test_the_weighted_deviation_can_be_appended(beats_tokens: Tensor) -> None:
    pool = pooling(deviation=True)
    with torch.inference_mode():
        pooled = pool(beats_tokens)
        assert pooled.shape == (3, 2 * DIM)
        torch.testing.assert_close(pooled[0], torch.cat(by_hand(pool, beats_tokens[0])), atol=1e-5, rtol=1e-5)


def test_attention_weights_add_up_to_one_and_depend_on_the_tokens(beats_tokens: Tensor) -> None:
    weights = pooling().attention(beats_tokens)
    assert (weights >= 0.0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    assert weights.std(dim=1).min() > 0.0


def test_without_a_preference_attentive_pooling_is_the_mean(beats_tokens: Tensor) -> None:
    pool = pooling()
    torch.nn.init.zeros_(pool.weight.weight)
    torch.testing.assert_close(pool(beats_tokens), mean_pool(beats_tokens, class_token=False), atol=1e-6, rtol=1e-5)


def test_padded_tokens_have_no_say(beats_tokens: Tensor) -> None:
    pool = pooling(deviation=True)
    padding = torch.zeros(beats_tokens.shape[:2], dtype=torch.bool)
    padding[:, 200:] = True
    torch.testing.assert_close(pool(beats_tokens, padding), pool(beats_tokens[:, :200]))


def test_tokens_all_alike_have_finite_gradients() -> None:
    pool = pooling(deviation=True)
    tokens = torch.ones(1, 4, DIM, requires_grad=True)
    pool(tokens).sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()


def test_attentive_fusion_pools_the_tokens_of_both_as_one_sequence(
    beats_tokens: Tensor, audiomae_tokens: Tensor
) -> None:
    torch.manual_seed(4)
    fusion = AttentiveFusion(DIM, 5)
    together = torch.cat([beats_tokens, audiomae_tokens[:, 1:]], dim=1)
    fused = fusion(beats_tokens, audiomae_tokens)
    assert together.shape[1] == 1008
    assert fused.shape == (3, DIM)
    mean, deviation = by_hand(fusion.pooling, together[1])
    torch.testing.assert_close(fused[1], mean, atol=1e-5, rtol=1e-5)
    fusion.pooling.deviation = True
    both = fusion(beats_tokens, audiomae_tokens)
    torch.testing.assert_close(both[1], torch.cat([mean, deviation]), atol=1e-5, rtol=1e-5)


def test_attentive_fusion_is_blind_to_the_class_token(beats_tokens: Tensor, audiomae_tokens: Tensor) -> None:
    fusion = AttentiveFusion(DIM)
    before = fusion(beats_tokens, audiomae_tokens)
    audiomae_tokens[:, 0] = 100.0
    torch.testing.assert_close(fusion(beats_tokens, audiomae_tokens), before)


def test_attentive_fusion_can_keep_each_band_by_itself(beats_tokens: Tensor, audiomae_tokens: Tensor) -> None:
    torch.manual_seed(4)
    whole = AttentiveFusion(DIM, 5)
    fusion = AttentiveFusion(DIM, 5, bands=8)
    fusion.load_state_dict(whole.state_dict())
    fused = fusion(beats_tokens, audiomae_tokens)
    assert fused.shape == (3, 8 * DIM)
    for band in range(8):
        # A band's part is what the same attention makes of that band's tokens alone.
        class_token, patches = audiomae_tokens[:, :1], audiomae_tokens[:, 1:]
        alone = whole(beats_tokens[:, band::8], torch.cat([class_token, patches[:, band::8]], dim=1))
        torch.testing.assert_close(fused.unflatten(1, (8, DIM))[:, band], alone, atol=1e-6, rtol=1e-5)
    fusion.pooling.deviation = True
    assert fusion(beats_tokens, audiomae_tokens).shape == (3, 8 * 2 * DIM)


def test_mean_fusion_can_keep_each_band_by_itself(beats_tokens: Tensor, audiomae_tokens: Tensor) -> None:
    fused = MeanFusion(bands=8)(beats_tokens, audiomae_tokens[..., :4])
    expected = [band_pool(beats_tokens, class_token=False), band_pool(audiomae_tokens[..., :4])]
    torch.testing.assert_close(fused, torch.cat(expected, dim=1))


def test_mean_fusion_sets_both_means_side_by_side(beats_tokens: Tensor, audiomae_tokens: Tensor) -> None:
    fused = MeanFusion()(beats_tokens, audiomae_tokens[..., :4])
    assert fused.shape == (3, DIM + 4)
    torch.testing.assert_close(fused[:, :DIM], beats_tokens.mean(dim=1))
    torch.testing.assert_close(fused[:, DIM:], audiomae_tokens[:, 1:, :4].mean(dim=1))
    assert not list(MeanFusion().parameters())


def test_band_pooling_averages_over_time_and_keeps_each_band() -> None:
    times, bands = 5, 8
    band_number = torch.arange(bands, dtype=torch.float32).repeat(times)
    time_number = torch.arange(times, dtype=torch.float32).repeat_interleave(bands)
    patches = torch.stack([band_number, time_number], dim=1)[None]
    expected = torch.tensor([[band, 2.0] for band in range(bands)]).flatten()[None]
    torch.testing.assert_close(band_pool(patches, class_token=False), expected)
    with_class_token = torch.cat([torch.full((1, 1, 2), 99.0), patches], dim=1)
    torch.testing.assert_close(band_pool(with_class_token), expected)


def test_the_mean_over_bands_is_the_plain_mean(audiomae_tokens: Tensor) -> None:
    bands = band_pool(audiomae_tokens).unflatten(1, (8, DIM))
    torch.testing.assert_close(bands.mean(dim=1), mean_pool(audiomae_tokens))


def test_unfit_tokens_are_refused(beats_tokens: Tensor, audiomae_tokens: Tensor) -> None:
    with pytest.raises(ValueError, match="right would be a multiple of 8 bands"):
        band_pool(audiomae_tokens, class_token=False)
    with pytest.raises(ValueError, match=rf"right would be \(batch, tokens, {DIM}\)"):
        pooling()(beats_tokens[0])
    with pytest.raises(ValueError, match="padding has shape"):
        pooling()(beats_tokens, torch.zeros(3, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="right would be one width"):
        AttentiveFusion(DIM)(beats_tokens, audiomae_tokens[..., :4])
    with pytest.raises(ValueError, match="of one batch"):
        MeanFusion()(beats_tokens[:2], audiomae_tokens)
    with pytest.raises(ValueError, match="right would be a multiple of 8 bands"):
        AttentiveFusion(DIM, bands=8)(beats_tokens[:, :-1], audiomae_tokens)
    with pytest.raises(ValueError, match="a class token with at least one patch"):
        MeanFusion()(beats_tokens, audiomae_tokens[:, :1])
    with pytest.raises(ValueError, match="right would be positive numbers"):
        AttentiveStatisticsPooling(0)
