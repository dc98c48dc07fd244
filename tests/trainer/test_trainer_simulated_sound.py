"""The variety of simulated machines: which recordings there are, what they are called, how they sound."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from asdstream.audio.simulator.machine import machine_types
from trainer.ablation import IDENTITY
from trainer.recipe import SimulatedMachine, SimulatorSound, VarietySettings, read_recipe
from trainer.simulated_sound import simulated_sound
from trainer.sound import TrainingSound

RECIPES = Path(__file__).resolve().parents[2] / "conf" / "trainer"
FAN = SimulatedMachine(machine_type="fan", identity=1, recordings=2, held_out=2, seconds=10.0)


def sound_of(seed: int = 1, **variety: object) -> TrainingSound:
    settings = VarietySettings.model_validate({"seconds": 10.0, "recordings": 2, **variety})
    return simulated_sound(SimulatorSound(kind="simulator", variety=settings, machines=(FAN,)), seed)


RICH = {
    "machine_types": ["fan", "valve"],
    "identities": "0, 2-3",
    "points": 2,
    "speed": [0.8, 1.2],
    "faults": 2,
    "backgrounds": 5,
}


def test_every_type_identity_point_and_state_is_a_class_of_several_recordings() -> None:
    sound = sound_of(**RICH)
    classes = Counter(recording.label for recording in sound.variety)
    assert len(classes) == 2 * 3 * 2 * 3
    assert set(classes.values()) == {2}
    assert "fan_id_3_point_1_healthy" in classes
    assert sum(label.endswith("_healthy") for label in classes) == 2 * 3 * 2
    assert len({recording.identity for recording in sound.variety}) == len(sound.variety)


def test_the_machines_that_get_prototypes_are_healthy_and_say_which_they_are() -> None:
    (fan,) = sound_of(**RICH).machines
    assert {recording.label for recording in (*fan.source, *fan.held_out)} == {"fan_id_1_healthy"}


def test_points_differ_and_recordings_of_a_point_share_it() -> None:
    sound = sound_of(**RICH)
    specs = {}
    for recording in sound.variety:
        specs.setdefault(recording.label, set()).add(recording.identity.split("fault=")[0])
    healthy = [found for label, found in specs.items() if label.endswith("_healthy")]
    assert all(len(found) == 1 for found in healthy)
    assert len(set.union(*healthy)) == len(healthy)


def test_with_backgrounds_apart_the_machine_is_clean_and_the_noise_has_no_machine_in_it() -> None:
    clean, mixed = sound_of(**RICH), sound_of(**{**RICH, "backgrounds": 0})
    assert mixed.noise == ()
    assert len(clean.noise) == 5
    assert {recording.label for recording in clean.noise} == {""}
    assert len({recording.identity for recording in clean.noise}) == 5
    assert "background=False" in clean.variety[0].identity
    assert not np.array_equal(clean.variety[0].read(), mixed.variety[0].read())
    quietest = min(float(np.sqrt(np.mean(recording.read() ** 2))) for recording in clean.noise[:2])
    assert quietest > 1e-3


def test_levels_are_those_of_recordings() -> None:
    sound = sound_of(**{**RICH, "severity": [1.0, 1.0]})
    for recording in sound.variety[::19]:
        samples = recording.read()
        assert samples.dtype == np.float32
        assert samples.shape == (160_000,)
        assert 0.01 < np.abs(samples).max() < 1.0


def test_a_faulty_state_is_heard() -> None:
    sound = sound_of(**{**RICH, "machine_types": ["fan"], "severity": [1.0, 1.0]})
    healthy, faulty = (
        [recording for recording in sound.variety if recording.label.endswith("_healthy") is wanted]
        for wanted in (True, False)
    )
    power = [float(np.mean(recording.read() ** 2)) for recording in (healthy[0], faulty[0])]
    assert power[1] > 1.05 * power[0]


def test_recordings_are_drawn_from_the_seed_and_can_be_made_in_another_process() -> None:
    first, again, other = sound_of(1, **RICH), sound_of(1, **RICH), sound_of(2, **RICH)
    assert [recording.identity for recording in first.all] == [recording.identity for recording in again.all]
    assert not {recording.identity for recording in first.all} & {recording.identity for recording in other.all}
    sent = pickle.loads(pickle.dumps(first.variety[3]))  # noqa: S301
    np.testing.assert_array_equal(sent.read(), first.variety[3].read())


@pytest.mark.slow
def test_every_machine_type_can_be_heard_over_a_wide_range_of_speed_and_load() -> None:
    for speed in (0.5, 1.5):
        sound = sound_of(identities=[17], points=2, speed=[speed, speed], load=[0.1, 1.1], recordings=1)
        assert {recording.label.split("_id_")[0] for recording in sound.variety} == set(machine_types())
        for recording in sound.variety[::2]:
            assert np.isfinite(recording.read()).all()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("identities", "1, two", "should be a list of numbers"),
        ("identities", "", "should be a list of numbers"),
        ("identities", "5-3", "should be a list of numbers"),
        ("identities", [-1], "greater than or equal to 0"),
        ("severity", [0.0, 0.5], "should lie between 0, exclusively, and 1"),
        ("speed", [0.1, 1.0], "should lie between 0.2 and 2"),
    ],
)
def test_what_the_variety_cannot_be_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        VarietySettings.model_validate({field: value})


def test_no_recipe_that_ships_learns_from_machines_that_systems_are_compared_on() -> None:
    heard = [read_recipe(path).sound for path in RECIPES.glob("*.toml")]
    simulated = [sound for sound in heard if isinstance(sound, SimulatorSound)]
    assert simulated
    for sound in simulated:
        learned = set(sound.variety.identities) if sound.variety else set()
        known = {machine.identity for machine in sound.machines}
        assert IDENTITY not in learned | known
        assert not learned & known
