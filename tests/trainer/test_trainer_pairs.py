from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asdstream.audio.simulator.machine import machine_types
from trainer.errors import DataError, RecipeError
from trainer.pairs import MIXTURE_RMS, Pairs, PairSettings, PairSound
from trainer.simulated_pairs import SimulatedPairSettings, simulated_pairs
from trainer.sound import Recording
from trainer.synthetic_noise import synthetic_noise
from trainer.waveforms import Waveforms

SAMPLES = 16_000
RNG = np.random.default_rng(0)
TONE = (0.1 * np.sin(2 * np.pi * 440 * np.arange(4 * SAMPLES) / SAMPLES)).astype(np.float32)
HISS = (0.02 * RNG.standard_normal(4 * SAMPLES)).astype(np.float32)
SILENCE = np.zeros(4 * SAMPLES, dtype=np.float32)


def kept(folder: Path, *sounds: NDArray[np.float32]) -> Waveforms:
    recordings = [
        Recording(f"sound {place}", "", len(sound) / SAMPLES, lambda sound=sound: sound)
        for place, sound in enumerate(sounds)
    ]
    return Waveforms(recordings, folder, 0)


def draw(pairs: Pairs, seed: int, index: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return pairs.example(index, torch.Generator().manual_seed(seed), SAMPLES)


def rms(sound: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def test_a_mixture_is_the_machine_and_noise_at_a_ratio_within_the_range(tmp_path: Path) -> None:
    pairs = Pairs(kept(tmp_path, TONE), kept(tmp_path, HISS), PairSettings(snr_db=(-5.0, 10.0)))
    ratios = []
    for seed in range(40):
        mixture, target = draw(pairs, seed)
        assert mixture.dtype == target.dtype == np.float32
        assert mixture.shape == target.shape == (SAMPLES,)
        assert rms(mixture) == pytest.approx(MIXTURE_RMS, rel=1e-4)
        ratios.append(20 * np.log10(rms(target) / rms(mixture - target)))
    assert min(ratios) >= -5.001
    assert max(ratios) <= 10.001
    assert np.ptp(ratios) > 10


def test_the_same_generator_draws_the_same_pair_and_another_another(tmp_path: Path) -> None:
    pairs = Pairs(kept(tmp_path, TONE), kept(tmp_path, HISS))
    first, again, other = draw(pairs, 1), draw(pairs, 1), draw(pairs, 2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unfiltered_pairs_hold_the_recording_itself(tmp_path: Path) -> None:
    settings = PairSettings(plain=1.0, second_noise=0.0)
    _, target = draw(Pairs(kept(tmp_path, TONE), kept(tmp_path, HISS), settings), 3)
    # A tone is a tone at any place and gain.
    spectrum = np.abs(np.fft.rfft(target))
    assert spectrum.argmax() == 440
    assert spectrum[440] ** 2 > 0.999 * np.sum(spectrum**2)


def test_silent_stretches_are_never_used(tmp_path: Path) -> None:
    half = np.concatenate([SILENCE, TONE])
    pairs = Pairs(kept(tmp_path, half, SILENCE), kept(tmp_path, np.concatenate([SILENCE, HISS])))
    for seed in range(30):
        mixture, target = draw(pairs, seed, index=seed % 2)
        assert rms(target) > 1e-4
        assert rms(mixture - target) > 1e-4


@pytest.mark.parametrize(("clean", "noise"), [(SILENCE, HISS), (TONE, SILENCE)])
def test_nothing_but_silence_is_refused(clean: NDArray[np.float32], noise: NDArray[np.float32], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in a row were silent"):
        draw(Pairs(kept(tmp_path, clean), kept(tmp_path, noise)), 0)


def test_both_clean_sound_and_noise_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs clean machine sound"):
        Pairs(kept(tmp_path), kept(tmp_path, HISS))
    with pytest.raises(DataError, match="needs noise"):
        Pairs(kept(tmp_path, TONE), kept(tmp_path))


def simulated(**settings: object) -> PairSound:
    few: dict[str, object] = {"identities": 1, "recordings": 2, "noises": 6, "seconds": 1.0}
    return simulated_pairs(SimulatedPairSettings(**{**few, **settings}), seed=0)


def test_simulated_pairs_cover_every_machine_type_unless_told_otherwise() -> None:
    assert {recording.name.split("/")[1] for recording in simulated().clean} == set(machine_types())
    assert [recording.name for recording in simulated(machine_types=("fan",)).clean] == [
        "clean/fan/0/0",
        "clean/fan/0/1",
    ]
    with pytest.raises(RecipeError, match="no machine type 'flute'"):
        simulated(machine_types=("flute",))


def test_faults_belong_to_the_machine_and_are_kept() -> None:
    healthy, faulty = (simulated(machine_types=("fan",), faulty=share, ambience=0.0).clean for share in (0.0, 1.0))
    for one, other in zip(healthy, faulty, strict=True):
        assert one.identity != other.identity
        fault = other.read() - one.read()
        assert rms(fault) > 0.01 * rms(one.read())


def test_a_share_of_clean_recordings_keeps_some_background() -> None:
    bare, lively = (simulated(machine_types=("fan",), faulty=0.0, ambience=share).clean[0] for share in (0.0, 1.0))
    background = lively.read() - bare.read()
    assert 0.05 < rms(background) / rms(bare.read()) < 2.0


def test_machines_of_other_types_are_noise_to_a_separator_of_one_type() -> None:
    kinds = [recording.name.split("/")[1] for recording in simulated(machine_types=("fan",), noises=8).noise]
    assert set(kinds) == {"synthetic", "background", "machine"}
    assert "machine" not in {recording.name.split("/")[1] for recording in simulated().noise}


def test_simulated_recordings_are_the_same_at_every_reading() -> None:
    sound = simulated(machine_types=("valve",), noises=3)
    for recording in (*sound.clean, *sound.noise):
        read: Callable[[], NDArray[np.float32]] = recording.read
        assert read().shape == (16_000,)
        assert np.array_equal(read(), read())


def test_synthetic_noise_differs_from_seed_to_seed_and_keeps_its_peak() -> None:
    drawn = [synthetic_noise(seed, 1.0) for seed in range(30)]
    for sound in drawn:
        assert sound.shape == (16_000,)
        assert np.abs(sound).max() == pytest.approx(0.5, rel=1e-5)
    assert np.array_equal(drawn[0], synthetic_noise(0, 1.0))
    centres = [np.average(np.arange(8_001), weights=np.abs(np.fft.rfft(sound)) ** 2) for sound in drawn]
    assert np.ptp(centres) > 2_000  # hertz: dark and bright ones
