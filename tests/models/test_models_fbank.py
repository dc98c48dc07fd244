"""The filter bank is Kaldi's, whatever the length, the batch and the precision around it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from asdstream.models.fbank import (
    FbankFrontEnd,
    WindowShape,
    audiomae_front_end,
    beats_front_end,
    frame_count,
    kaldi_fbank,
    shared_front_ends,
)


def plain_fbank(clip: Tensor, window: WindowShape, scale: float) -> Tensor:
    """One clip (N,) in float64, each step as Kaldi's documentation lists it."""
    frames = (clip.double() * scale).unfold(0, 400, 160)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(400, dtype=torch.float64) / 399)
    tapered = (frames - 0.97 * before) * (hann if window == "hanning" else hann**0.85)
    power = torch.fft.rfft(tapered, n=512).abs().square()

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log(1 + hertz / 700.0)

    edges = torch.linspace(*mel(torch.tensor([20.0, 8000.0], dtype=torch.float64)).tolist(), 130, dtype=torch.float64)
    at = mel(torch.arange(257, dtype=torch.float64) * 31.25)
    bands = []
    for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        triangle = torch.minimum((at - left) / (centre - left), (right - at) / (right - centre)).clamp_min(0)
        bands.append(power[:, :256] @ triangle[:256])
    return torch.stack(bands, dim=1).clamp_min(torch.finfo(torch.float32).eps).log()


def assert_near(ours: Tensor, expected: np.ndarray) -> None:
    difference = (ours - torch.from_numpy(expected)).abs()
    assert difference.max() < 1e-4
    assert (difference < 2e-5).float().mean() >= 0.999


def test_beats_front_end_equals_the_reference(clips: dict[str, Tensor], conformance_dir: Path) -> None:
    expected = np.load(conformance_dir / "beats" / "expected_beats.npz")
    front_end = beats_front_end()
    ten_seconds = front_end(clips["10s"])[0]
    assert_near(front_end(clips["3p7s"])[0], expected["fbank_3p7s"])
    assert tuple(ten_seconds.shape) == tuple(expected["fbank_10s_shape"])
    assert_near(ten_seconds[::8], expected["fbank_10s_every8"])
    torch.testing.assert_close(
        ten_seconds.sum(1), torch.from_numpy(expected["fbank_10s_frame_sum"]), atol=1e-3, rtol=0.0
    )


def test_audiomae_front_end_equals_the_reference(clips: dict[str, Tensor], conformance_dir: Path) -> None:
    expected = np.load(conformance_dir / "audiomae" / "expected_audiomae.npz")
    front_end = audiomae_front_end()
    ten_seconds, short = front_end(clips["10s"])[0], front_end(clips["3p7s"])[0]
    assert ten_seconds.shape == short.shape == (1024, 128)
    assert_near(short[:368:2], expected["fbank_norm_3p7s_valid_every2"])
    assert_near(ten_seconds[::16], expected["fbank_norm_10s_every16"])
    torch.testing.assert_close(
        ten_seconds.sum(1), torch.from_numpy(expected["fbank_norm_10s_frame_sum"]), atol=1e-3, rtol=0.0
    )
    assert (short[368:] - float(expected["pad_value"])).abs().max() < 1e-6
    assert front_end.pad_value == pytest.approx(float(expected["pad_value"]), abs=1e-6)


@pytest.mark.parametrize(("window", "scale"), [("povey", 2.0**15), ("hanning", 1.0)])
@pytest.mark.parametrize("samples", [400, 401, 559, 560, 12345])
def test_any_length_equals_the_steps_written_out(window: WindowShape, scale: float, samples: int) -> None:
    clips = 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(samples)) + 0.02
    ours = kaldi_fbank(clips, window=window, scale=scale)
    assert ours.shape == (3, frame_count(samples), 128)
    expected = torch.stack([plain_fbank(clip, window, scale) for clip in clips])
    torch.testing.assert_close(ours.double(), expected, atol=2e-4, rtol=0.0)


@pytest.mark.parametrize("samples", [401, 7777, 160000])
def test_it_equals_torchaudio_where_that_can_be_imported(samples: int) -> None:
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi", exc_type=(ImportError, OSError))
    clip = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(samples))
    for window, scale in (("povey", 2.0**15), ("hanning", 1.0)):
        expected = kaldi.fbank(
            clip * scale,
            num_mel_bins=128,
            sample_frequency=16000,
            frame_length=25,
            frame_shift=10,
            window_type=window,
            dither=0.0,
        )
        torch.testing.assert_close(kaldi_fbank(clip, window=window, scale=scale)[0], expected, atol=5e-4, rtol=0.0)


def test_the_empty_fourth_band_and_silence_sit_at_the_floor() -> None:
    floor = np.log(np.finfo(np.float32).eps)
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    assert (kaldi_fbank(noise, window="povey", scale=2.0**15)[..., 3] - floor).abs().max() < 1e-5
    assert (kaldi_fbank(torch.zeros(1, 16000), window="povey", scale=1.0) - floor).abs().max() < 1e-5


def test_a_constant_offset_changes_nothing() -> None:
    noise = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(1))
    without, shifted = (kaldi_fbank(noise + offset, window="hanning", scale=1.0) for offset in (0.0, 0.3))
    torch.testing.assert_close(shifted, without, atol=2e-3, rtol=0.0)


def test_a_batch_gives_what_its_clips_give_alone() -> None:
    clips = torch.randn(5, 8000, generator=torch.Generator().manual_seed(2))
    together = kaldi_fbank(clips, window="povey", scale=1.0)
    alone = torch.cat([kaldi_fbank(clip[None], window="povey", scale=1.0) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0.0)


def test_it_stays_in_float32_inside_autocast_and_in_a_half_precision_module(clips: dict[str, Tensor]) -> None:
    expected = audiomae_front_end()(clips["3p7s"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = audiomae_front_end().bfloat16()(clips["3p7s"])
    assert inside.dtype == torch.float32
    assert torch.equal(inside, expected)


def test_frames_computed_apart_equal_frames_of_the_whole(clips: dict[str, Tensor]) -> None:
    front_end = audiomae_front_end()
    whole = front_end.fbank(clips["10s"])
    second = front_end.fbank(clips["10s"][:, 16000 : 16000 + 400 + 99 * 160])
    torch.testing.assert_close(second, whole[:, 100:200], atol=1e-4, rtol=0.0)


def test_a_clip_longer_than_the_frames_is_cut() -> None:
    long = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(3))
    front_end = audiomae_front_end()
    assert torch.equal(front_end(long), front_end.normalise(front_end.fbank(long)[:, :1024]))


def test_gradients_reach_the_waveform() -> None:
    waveform = torch.randn(1, 2000, generator=torch.Generator().manual_seed(4)).requires_grad_()
    audiomae_front_end()(waveform).mean().backward()
    assert waveform.grad is not None
    assert waveform.grad.abs().max() > 0


def test_a_front_end_adds_nothing_to_a_state_dict() -> None:
    assert beats_front_end().state_dict() == {}


@pytest.mark.parametrize("shape", [(16000,), (1, 399), (1, 1, 16000)])
def test_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="right would be"):
        kaldi_fbank(torch.zeros(shape), window="povey", scale=1.0)


def test_a_deviation_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        FbankFrontEnd("povey", 1.0, mean=0.0, deviation=0.0)


def test_front_ends_that_are_computed_together_give_what_each_gives_alone() -> None:
    waveform = 0.1 * torch.randn(6, 32_000, generator=torch.Generator().manual_seed(4))
    ends = [beats_front_end(), audiomae_front_end(), beats_front_end()]
    for together, end in zip(shared_front_ends(waveform, ends), ends, strict=True):
        torch.testing.assert_close(together, end(waveform), rtol=0, atol=0)
