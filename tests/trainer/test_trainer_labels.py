"""The classes that recordings are told apart by."""

from pathlib import Path

import pytest

from trainer.catalogue import Clip, Domain
from trainer.labels import compound_label, tells_attributes

TOY_CAR = (("car", "B1"), ("spd", "31V"), ("mic", "1"))


def clip(machine: str, section: str, *attributes: tuple[str, str]) -> Clip:
    return Clip(Path("clip.wav"), machine, section, "train", Domain.SOURCE, False, attributes)


@pytest.mark.parametrize(
    ("made", "label"),
    [
        (clip("ToyCar", "00", *TOY_CAR), "ToyCar_car_B1_spd_31V_mic_1"),
        (clip("fan", "03", ("m-n", "W")), "fan_section_03_m-n_W"),
        (clip("fan", "00"), "fan_section_00_noAttribute"),
        (clip("fan", "02"), "fan_section_02_noAttribute"),
    ],
)
def test_a_label_is_the_machine_and_its_attributes_in_their_order(made: Clip, label: str) -> None:
    assert compound_label(made) == label


def test_attributes_that_do_not_matter_can_be_left_out() -> None:
    first = clip("ToyCar", "00", *TOY_CAR, ("noise", "1"))
    second = clip("ToyCar", "00", *TOY_CAR, ("noise", "6"))
    assert compound_label(first) != compound_label(second)
    assert compound_label(first, ["noise"]) == compound_label(second, ["noise"]) == "ToyCar_car_B1_spd_31V_mic_1"
    assert compound_label(first, ["noise", "car", "spd", "mic"]) == "ToyCar_section_00_noAttribute"


def test_a_label_says_whether_attributes_were_hidden() -> None:
    assert tells_attributes(compound_label(clip("ToyCar", "00", *TOY_CAR)))
    assert not tells_attributes(compound_label(clip("ToyCar", "00")))
