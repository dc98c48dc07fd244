from pathlib import Path

import numpy as np
import torch
from system_bundles import GRIDNET

from asdstream.models.hybrid_loss import si_snr
from asdstream.models.tfgridnet import TFGridNet
from trainer.pairs import Pairs
from trainer.separator_stage import SeparatorObjective
from trainer.sound import Recording
from trainer.waveforms import Waveforms


def pairs(folder: Path) -> Pairs:
    """A hum of 5 s and one of 1 s, in hiss."""
    time = np.arange(80_000) / 16_000
    hum = (0.1 * sum(np.sin(2 * np.pi * 150 * number * time) / number for number in range(1, 6))).astype(np.float32)
    hiss = (0.1 * np.random.default_rng(0).standard_normal(80_000)).astype(np.float32)
    clean = [Recording("hum", "", 5.0, lambda: hum), Recording("short hum", "", 1.0, lambda: hum[:16_000])]
    return Pairs(Waveforms(clean, folder, 0), Waveforms([Recording("hiss", "", 5.0, lambda: hiss)], folder, 0))


def objective(folder: Path, seconds: float = 1.0) -> SeparatorObjective:
    torch.manual_seed(0)
    return SeparatorObjective("separator fan", TFGridNet(GRIDNET), pairs(folder), seconds)


def batch(of: SeparatorObjective, seed: int, size: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.stack(part) for part in zip(*(of.example(0, generator) for _ in range(size)), strict=True)]


def test_an_epoch_draws_a_recording_for_every_stretch_that_it_lasts(tmp_path: Path) -> None:
    assert objective(tmp_path).examples == 6
    assert objective(tmp_path, seconds=3.0).examples == 3
    assert objective(tmp_path).stage == "separator fan"


def test_an_example_is_a_mixture_and_its_machine(tmp_path: Path) -> None:
    mixture, target = objective(tmp_path, seconds=0.5).example(4, torch.Generator().manual_seed(0))
    assert mixture.shape == target.shape == (8_000,)
    assert -6 < float(si_snr(mixture, target)) < 11


def test_learning_makes_mixtures_into_machines(tmp_path: Path) -> None:
    learner = objective(tmp_path, seconds=0.5)
    optimiser = torch.optim.AdamW(learner.module.parameters(), lr=5e-3)
    held_out = batch(learner, seed=99)
    before = float(learner.loss(*held_out).detach())
    for step in range(15):
        optimiser.zero_grad()
        learner.loss(*batch(learner, step)).backward()
        optimiser.step()
    assert float(learner.loss(*held_out).detach()) < before - 5.0


def test_the_loss_is_computed_in_float32_whatever_surrounds_it(tmp_path: Path) -> None:
    learner = objective(tmp_path, seconds=0.5)
    drawn = batch(learner, seed=1)
    plain = learner.loss(*drawn)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        surrounded = learner.loss(*drawn)
    assert surrounded.dtype == torch.float32
    assert torch.equal(plain, surrounded)
    surrounded.backward()
    assert all(value.grad is not None and value.grad.dtype == torch.float32 for value in learner.module.parameters())
