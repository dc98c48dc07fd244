"""The generative stage: what it draws at random, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asdstream.audio.simulator import MachineSpec, Simulator
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.fbank import audiomae_front_end
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from trainer.errors import DataError
from trainer.front_end_cache import FrontEndCache
from trainer.generative import GenerativeObjective, draw_mask
from trainer.loop import LoopSettings, TrainingLoop
from trainer.metrics_log import MetricsLog
from trainer.randomness import torch_generator
from trainer.recipe import GenerativeSettings, MaskSettings
from trainer.sound import Recording


class Counted:
    """Noise of a given length that counts how often it is read."""

    def __init__(self, seconds: float) -> None:
        self.samples = np.random.default_rng(3).standard_normal(int(16_000 * seconds)).astype(np.float32) * 0.1
        self.reads = 0
        self.recording = Recording("noise", "noise", seconds, self.read)

    def read(self) -> NDArray[np.float32]:
        self.reads += 1
        return self.samples


def model() -> MaskedAudioMAE:
    torch.manual_seed(1)
    return MaskedAudioMAE(AudioMAEConfig(embed_dim=48, depth=1, heads=2), DecoderConfig(32, 1, 2))


def test_the_front_end_is_computed_once_and_kept_in_half_precision() -> None:
    sound = Counted(11)
    cache = FrontEndCache([sound.recording], audiomae_front_end(), limit_bytes=1 << 20)
    cache.fill()
    found = [cache.fbank(0) for _ in range(3)][-1]
    assert sound.reads == 1
    assert (found.dtype, found.shape) == (torch.float16, (1098, 128))
    exact = audiomae_front_end().fbank(torch.from_numpy(sound.samples)[None])[0]
    assert (found.float() - exact).abs().max() < 0.01


def test_what_does_not_fit_is_computed_again() -> None:
    sounds = [Counted(10), Counted(10)]
    cache = FrontEndCache([sound.recording for sound in sounds], audiomae_front_end(), limit_bytes=300_000)
    cache.fill()
    assert cache.kept == 1
    assert torch.equal(cache.fbank(1), cache.fbank(1))
    assert sounds[1].reads >= 3


def test_a_recording_without_sound_is_named() -> None:
    cache = FrontEndCache([Counted(0.01).recording], audiomae_front_end(), limit_bytes=1 << 20)
    with pytest.raises(DataError, match="noise holds 160 samples"):
        cache.fill()


def test_a_recording_is_an_example_for_every_ten_seconds() -> None:
    recordings = [Counted(seconds).recording for seconds in (4.0, 12.0, 31.0)]
    network = model()
    cache = FrontEndCache(recordings, network.front_end, 1 << 24)
    assert GenerativeObjective(network, cache, recordings, GenerativeSettings()).examples == 1 + 1 + 3


def test_crops_lie_at_random_places_and_are_what_the_encoder_hears_in_service() -> None:
    sound = Counted(12)
    network = model()
    cache = FrontEndCache([sound.recording], network.front_end, 1 << 24)
    objective = GenerativeObjective(network, cache, [sound.recording], GenerativeSettings())
    crops, *_ = objective.draw([0] * 4, torch_generator(1))
    assert crops.shape == (4, 1024, 128)
    assert torch.all(crops[:, 998:] == network.front_end.pad_value)
    whole = network.front_end.fbank(torch.from_numpy(sound.samples)[None])[0]
    starts = []
    for crop in crops:
        raw = crop[:998] * 2 * network.front_end.deviation + network.front_end.mean
        distances = [float((whole[start : start + 998 : 50] - raw[::50]).abs().max()) for start in range(201)]
        starts.append(int(np.argmin(distances)))
        assert min(distances) < 0.02
    assert len(set(starts)) == 4


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        (MaskSettings(), 102),
        (MaskSettings(kind="mel_rectangles", ratio=0.75), 128),
        (MaskSettings(kind="time_frequency", time_ratio=0.7, frequency_ratio=0.3), 19 * 5),
    ],
)
def test_each_kind_of_mask_keeps_its_share(settings: MaskSettings, kept: int) -> None:
    mask = draw_mask(settings, 3, 64, 8, torch_generator(1))
    assert mask.ids_keep.shape == (3, kept)
    assert mask.removed.sum(dim=1).tolist() == [512 - kept] * 3


def test_the_loss_falls_on_machine_sound(tmp_path: Path) -> None:
    spec = MachineSpec("gearbox")
    recording = Recording("gearbox", "gearbox", 10.0, lambda: Simulator(spec, 1).render(10.0))
    network = model()
    cache = FrontEndCache([recording], network.front_end, 1 << 24)
    objective = GenerativeObjective(network, cache, [recording], GenerativeSettings())
    log = MetricsLog(tmp_path / "metrics.jsonl")
    settings = LoopSettings(
        seed=1,
        epochs=12,
        warmup_epochs=2,
        batch_size=1,
        micro_batch=1,
        learning_rate=3e-3,
        minimum_learning_rate=1e-6,
        weight_decay=1e-5,
        gradient_clip=1.0,
        checkpoint_seconds=1e9,
    )
    TrainingLoop(objective, settings, checkpoint=tmp_path / "state.pt", fingerprint="one", log=log).run()
    losses = [float(line["loss"] or 0) for line in log.read("generative")]
    assert losses[-1] < 0.8 * losses[0]
