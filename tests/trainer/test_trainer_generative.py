"""The generative stage: what it draws at random, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asdstream.audio.simulator import MachineSpec, Simulator
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.masked_audiomae import DecoderConfig, MaskedAudioMAE
from trainer.generative import GenerativeObjective, draw_mask
from trainer.loop import LoopSettings, TrainingLoop
from trainer.metrics_log import MetricsLog
from trainer.mixing import NoiseAugmentation
from trainer.randomness import torch_generator
from trainer.recipe import GenerativeSettings, MaskSettings
from trainer.sound import Recording
from trainer.waveforms import Waveforms


def noise(seconds: float, seed: int = 3) -> Recording:
    samples = np.random.default_rng(seed).standard_normal(int(16_000 * seconds)).astype(np.float32) * 0.1
    return Recording(f"noise {seed}", f"{seconds}", seconds, lambda: samples)


def waveforms(folder: Path, *recordings: Recording) -> Waveforms:
    found = Waveforms(recordings, folder, 1 << 24)
    found.fill()
    return found


def model() -> MaskedAudioMAE:
    torch.manual_seed(1)
    return MaskedAudioMAE(AudioMAEConfig(embed_dim=48, depth=1, heads=2), DecoderConfig(32, 1, 2))


def test_a_recording_is_an_example_for_every_ten_seconds(tmp_path: Path) -> None:
    sound = waveforms(tmp_path, noise(4), noise(12), noise(31))
    assert GenerativeObjective(model(), sound, GenerativeSettings()).examples == 1 + 1 + 3


def test_crops_lie_at_random_places_and_end_in_silence_where_the_recording_is_short(tmp_path: Path) -> None:
    sound = waveforms(tmp_path, noise(12), noise(4, seed=4))
    objective = GenerativeObjective(model(), sound, GenerativeSettings())
    whole = sound.samples(0, 0, 192_000)
    starts = []
    for number in range(4):
        crop, *_ = objective.example(0, torch_generator(number))
        assert crop.shape == (160_000,)
        (start,) = np.flatnonzero(np.isclose(whole[:32_001], crop[0], rtol=1e-6) & (whole[1:32_002] == crop[1].item()))
        assert np.array_equal(whole[start : start + 160_000], crop.numpy())
        starts.append(int(start))
    assert len(set(starts)) == 4
    short, *_ = objective.example(1, torch_generator(1))
    assert np.array_equal(short[:64_000].numpy(), sound.samples(1, 0, 64_000))
    assert not short[64_000:].any()


def test_noise_changes_neither_the_crop_nor_the_mask(tmp_path: Path) -> None:
    sound = waveforms(tmp_path, noise(12))
    augment = NoiseAugmentation(waveforms(tmp_path, noise(15, seed=9)), (0.0, 0.0))
    plain = GenerativeObjective(model(), sound, GenerativeSettings()).example(0, torch_generator(2))
    noisy = GenerativeObjective(model(), sound, GenerativeSettings(), augment).example(0, torch_generator(2))
    for one, other in zip(plain[1:], noisy[1:], strict=True):
        assert torch.equal(one, other)
    added = noisy[0] - plain[0]
    assert float(added.square().mean() / plain[0].square().mean()) == pytest.approx(1.0, rel=1e-4)


def test_the_network_hears_what_it_will_hear_in_service_in_full_precision(tmp_path: Path) -> None:
    network = model()
    objective = GenerativeObjective(network, waveforms(tmp_path, noise(12)), GenerativeSettings())
    batch = tuple(value[None] for value in objective.example(0, torch_generator(1)))
    with torch.inference_mode():
        exact = objective.reconstruct(*batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = objective.reconstruct(*batch)
            loss = objective.loss(*batch)
        wanted = objective.loss(*batch)
    assert torch.equal(exact.target, network.patchify(network.front_end(batch[0])))
    assert torch.equal(coarse.target, exact.target)
    assert coarse.pred.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(wanted), rel=0.01)


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
    sound = waveforms(tmp_path, Recording("gearbox", "gearbox", 10.0, lambda: Simulator(spec, 1).render(10.0)))
    objective = GenerativeObjective(model(), sound, GenerativeSettings())
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
