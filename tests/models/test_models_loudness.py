"""What stands beside an embedding: the loudness of each mel band, whatever the level and the front end."""

import math

import pytest
import torch
from torch import Tensor

from asdstream.models.fbank import audiomae_front_end, beats_front_end, emphasis, frame_count
from asdstream.models.loudness import SpecificLoudness, beside

SAMPLES = 160_000
SOUND = frame_count(SAMPLES)


def hum(hertz: float, level: float) -> Tensor:
    """Ten seconds of a tone in faint noise."""
    seconds = torch.arange(SAMPLES) / 16_000
    noise = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(1))
    return (level * torch.sin(2.0 * math.pi * hertz * seconds) + 0.01 * noise)[None]


def loudness(waveform: Tensor) -> Tensor:
    front_end = beats_front_end()
    return SpecificLoudness(front_end, SOUND)(front_end(waveform))


def test_it_is_the_mean_fourth_root_of_each_bands_power_at_unit_length() -> None:
    front_end = beats_front_end()
    waveform = hum(700.0, 0.3)
    power = front_end.fbank(waveform).double().exp() / emphasis()
    wanted = torch.nn.functional.normalize(power.pow(0.25).mean(dim=1))
    torch.testing.assert_close(loudness(waveform), wanted.float())


def test_how_far_away_the_microphone_stands_does_not_matter() -> None:
    # All but a band too narrow to hold a line of the spectrum, where the front end's floor stands instead of sound.
    near = hum(700.0, 0.3)
    torch.testing.assert_close(loudness(0.1 * near), loudness(near), atol=2e-4, rtol=1e-4)


def test_the_loudest_band_is_where_the_tone_is() -> None:
    assert loudness(hum(300.0, 0.3)).argmax() < loudness(hum(3000.0, 0.3)).argmax()


def test_pre_emphasis_is_taken_back_so_that_white_noise_has_as_much_power_as_a_band_is_wide() -> None:
    noise = 0.1 * torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(2))
    front_end = beats_front_end()
    # The upper bands are wide enough for a level; a band's power grows with its width, which the mel scale sets.
    power = (front_end.fbank(noise).exp() / emphasis()).mean(dim=1)[0]
    widths = torch.tensor([700.0 + hertz for hertz in (2000.0, 6000.0)])
    middle = [int(torch.argmin((emphasis() - gain_at(hertz)).abs())) for hertz in (2000.0, 6000.0)]
    assert float(power[middle[1]] / power[middle[0]]) == pytest.approx(float(widths[1] / widths[0]), rel=0.1)


def gain_at(hertz: float) -> float:
    """|1 - 0.97 e^(-jw)|^2."""
    return abs(1 - 0.97 * complex(math.cos(hertz * math.pi / 8000), -math.sin(hertz * math.pi / 8000))) ** 2


def test_what_a_front_end_pads_is_not_heard() -> None:
    front_end = audiomae_front_end()
    spectrogram = front_end(hum(700.0, 0.3))
    assert spectrogram.shape[1] > SOUND
    heard = SpecificLoudness(front_end, SOUND)
    torch.testing.assert_close(heard(spectrogram), heard(spectrogram[:, :SOUND]))


def test_beside_an_embedding_the_cosines_are_weighed_by_the_length() -> None:
    generator = torch.Generator().manual_seed(3)
    embedding = torch.randn(2, 24, generator=generator)
    loud = torch.nn.functional.normalize(torch.rand(2, 128, generator=generator))
    joined = beside(embedding, loud, 2.5)
    cosine = torch.nn.functional.cosine_similarity
    wanted = (cosine(embedding[0], embedding[1], dim=0) + 2.5**2 * cosine(loud[0], loud[1], dim=0)) / (1 + 2.5**2)
    torch.testing.assert_close(cosine(joined[0], joined[1], dim=0), wanted)


def test_an_embedding_of_zeros_is_not_hidden_by_the_loudness() -> None:
    assert beside(torch.zeros(1, 24), loudness(hum(700.0, 0.3)), 2.5).isnan().any()
