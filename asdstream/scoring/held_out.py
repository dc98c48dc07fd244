"""What normal sound says that was kept out of the prototypes: scored as the windows to come will be."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.alarm_calibration import AlarmCalibration
from asdstream.scoring.calibration import MIN_LOOKS
from asdstream.scoring.errors import CalibrationError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.prototypes import PrototypeSet
from asdstream.scoring.reference import Reference

_COPY = 1e-6
"""A score below this is the sound of a prototype itself."""


def held_out_calibration(
    prototypes: Mapping[str, PrototypeSet], recordings: Sequence[Reference], rate: FalseAlarmRate
) -> tuple[AlarmCalibration | None, tuple[str, ...]]:
    """The calibration from `recordings`, and the labels of those that it heard; None where they are too little.

    A recording is left out where it is enrolled as a reference, too, and where its windows do not follow one another
    at the hop of `rate` or a part of it, of which there is a whole number.
    """
    heard: dict[str, NDArray[np.float64]] = {}
    for one in recordings:
        scores = _scores(prototypes, one)
        step = _step(one.held_out_hop_s, rate.hop_s)
        if step is not None and float(scores.min()) >= _COPY:
            heard[one.label] = scores[::step]
    if sum(len(scores) for scores in heard.values()) < MIN_LOOKS:
        return None, ()
    try:
        return AlarmCalibration.of_recordings(list(heard.values()), rate.hop_s, rate.k, rate.n), tuple(heard)
    except CalibrationError:
        return None, ()


def _scores(prototypes: Mapping[str, PrototypeSet], recording: Reference) -> NDArray[np.float64]:
    found = [bank.search(recording.vectors[branch])[0][:, 0] for branch, bank in prototypes.items()]
    return np.asarray(np.mean(found, axis=0), dtype=np.float64)


def _step(recorded_s: float | None, hop_s: float) -> int | None:
    """How many of the recording's hops are one of the alarm's."""
    if recorded_s is None:
        return None
    step = round(hop_s / recorded_s)
    return step if step >= 1 and abs(step * recorded_s - hop_s) < 1e-6 else None
