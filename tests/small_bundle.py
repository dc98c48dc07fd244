"""A bundle small enough to make in a second: an untrained encoder, prototypes and calibration of one simulated fan."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream import bundle as bundles
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator
from asdstream.audio.windower import windows_of
from asdstream.bundle import Branch, BranchPrototypes, Bundle, BundleContents, EncoderContents, MachineType
from asdstream.engine.embedder import Embedder
from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.leave_one_out import leave_one_out_scores
from asdstream.scoring.prototypes import PrototypeSet

FAN = MachineSpec("fan", identity=1, snr_db=20.0)


def fan_sound(seconds: float, seed: int) -> NDArray[np.float32]:
    """A healthy fan, 16 kHz mono (n,): the machine that the bundle knows."""
    return _rendered_fan(seconds, seed).copy()


# Fixtures of many tests want the same few seconds, and what a test is given it may change.
@lru_cache(maxsize=64)
def _rendered_fan(seconds: float, seed: int) -> NDArray[np.float32]:
    return Simulator(FAN, seed).render(seconds)


def strange_sound(seconds: float, seed: int) -> NDArray[np.float32]:
    """Nothing like a fan, 16 kHz mono (n,): bursts of high-pitched noise, which even an untrained encoder notices."""
    rng = np.random.default_rng(seed)
    samples = np.diff(rng.standard_normal(round(seconds * 16_000) + 1)) * 0.1
    bursts = np.sin(2 * np.pi * 3.0 * np.arange(len(samples)) / 16_000) > 0
    return (samples * bursts).astype(np.float32)


def make_small_bundle(path: Path) -> Bundle:
    """Write the bundle at `path`, with the machine type `fan`."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        config = AudioMAEConfig(embed_dim=32, depth=1, heads=2)
        encoder = AudioMAE(config)
    contents = BundleContents(
        name="small",
        trainer_version="0",
        licence_notes=("untrained",),
        encoders={"audiomae": EncoderContents("audiomae", config.to_dict(), encoder.state_dict())},
        branches=(Branch("audiomae", "audiomae"),),
        machine_types={},
    )
    blank = bundles.save(path, contents)
    embedder = Embedder(blank, device="cpu", threads=1)
    recordings = [embedder.embed_samples(windows_of(fan_sound(30, seed), 10.0))["audiomae"] for seed in range(8)]
    labels = [f"recording/{i}" for i, rows in enumerate(recordings) for _ in rows]
    known = PrototypeSet("audiomae", np.concatenate(recordings), labels)
    scores = leave_one_out_scores({"audiomae": known}, sorted(set(labels)))
    assert scores is not None
    fan = MachineType(
        {"audiomae": BranchPrototypes(np.concatenate(recordings), np.zeros((0, 32), np.float32))},
        Calibration.fit(scores).to_dict(),
    )
    return bundles.save(
        path,
        BundleContents(
            contents.name,
            contents.trainer_version,
            contents.licence_notes,
            contents.encoders,
            contents.branches,
            {"fan": fan},
        ),
    )
