import math

import numpy as np
import pytest
import torch

from trainer.log_mel import log_mel, mel_triangles


def test_a_clip_of_ten_seconds_has_a_frame_every_32_milliseconds() -> None:
    assert log_mel(torch.zeros(160_000)).shape == (313, 128)


def test_silence_lies_on_the_floor() -> None:
    assert torch.allclose(log_mel(torch.zeros(16_000)), torch.tensor(-156.5356), atol=1e-3)


def test_twice_the_amplitude_is_six_decibels_more() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(32_000))
    assert torch.allclose(log_mel(2 * noise) - log_mel(noise), torch.tensor(20 * math.log10(2.0)).double())


def test_the_bands_are_slaneys() -> None:
    """Edges every 200/3 Hz below 1 kHz and in steps of a factor 6.4^(1/27) above, stretched to 130 of them."""
    triangles = mel_triangles()
    assert triangles.shape == (513, 128)
    top = 15 + 27 * math.log(8) / math.log(6.4)
    step = top / 129
    centres = (triangles * torch.arange(513).double()[:, None]).sum(0) / triangles.sum(0) * 8000 / 512
    assert float(centres[40]) == pytest.approx(41 * step * 200 / 3, abs=3.0)
    assert float(centres[120]) == pytest.approx(1000 * 6.4 ** ((121 * step - 15) / 27), abs=3.0)


def test_every_band_has_the_same_area() -> None:
    """Unit area in hertz, as far as a triangle of a few bins can show it; the widest shows it best."""
    areas = mel_triangles().sum(0) * 8000 / 512
    assert torch.allclose(areas[-40:], torch.ones(40).double(), atol=0.01)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    times = torch.arange(16_000) / 16_000
    bands = log_mel(torch.sin(2 * torch.pi * 2000.0 * times)).mean(0)
    triangles = mel_triangles()
    assert int(bands.argmax()) == int(triangles[128].argmax())


@pytest.mark.parametrize("samples", [torch.zeros(0), torch.zeros(2, 16_000)])
def test_only_a_row_of_samples_is_taken(samples: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="right would be one row"):
        log_mel(samples)
