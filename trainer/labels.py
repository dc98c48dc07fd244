"""What a clip is a recording of, as one text: the classes of the stages that tell recordings apart."""

from collections.abc import Collection

from trainer.catalogue import Clip
from trainer.catalogue.names import HIDDEN


def compound_label(clip: Clip, leave_out: Collection[str] = ()) -> str:
    """Machine and attributes in their order, `ToyCar_car_B1_spd_31V_mic_1`; sections other than 00 are named as well.

    Attributes called in `leave_out` do not count, such as the kind of background noise. Where none is left the label
    is that of the whole section, `fan_section_00_noAttribute`.
    """
    told = [(key, value) for key, value in clip.attributes if key not in leave_out]
    parts = [clip.machine]
    if clip.section != "00" or not told:
        parts += ["section", clip.section]
    parts += [word for pair in told for word in pair] or [HIDDEN]
    return "_".join(parts)


def tells_attributes(label: str) -> bool:
    """Whether a label of `compound_label` says more than machine and section."""
    return not label.endswith(f"_{HIDDEN}")
