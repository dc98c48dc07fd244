"""Two encoders of unlike spread, brought to one measure before their tokens are summed."""

import pytest
import torch

from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from trainer.spread import spread, widen


def test_spread_does_not_depend_on_where_the_embeddings_lie_but_grows_with_them() -> None:
    embeddings = torch.randn(1000, 16, generator=torch.Generator().manual_seed(0))
    assert spread(embeddings) == pytest.approx(4.0, rel=0.05), "sixteen variances of one"
    assert spread(embeddings + 100.0) == pytest.approx(spread(embeddings), rel=1e-3)
    assert spread(2.5 * embeddings) == pytest.approx(2.5 * spread(embeddings), rel=1e-5)


def test_a_widened_encoder_gives_every_token_that_much_larger() -> None:
    torch.manual_seed(0)
    encoder = AudioMAE(AudioMAEConfig.tiny()).eval()
    sound = 0.1 * torch.randn(1, 160_000)
    with torch.no_grad():
        before = encoder(sound)
        widen(encoder, 2.5)
        after = encoder(sound)
    torch.testing.assert_close(after, 2.5 * before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("times", [0.0, -1.0, float("inf"), float("nan")])
def test_no_encoder_is_widened_to_nothing_or_beyond_all_measure(times: float) -> None:
    with pytest.raises(ValueError, match="a positive number"):
        widen(AudioMAE(AudioMAEConfig.tiny()), times)
