"""Whether recordings can be references of a machine: what is wrong about them, before they spoil what it is held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.quality import CLIPPED_AT, QualityMeter
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS
from asdstream.errors import AsdstreamError
from asdstream.scoring.machine_scorer import MachineScorer

SILENT_SHARE = 0.1
"""Of a recording's seconds may be silent; a machine that pauses is still heard, a dead input is not."""
CLIPPED_SHARE = 0.01
"""Of a recording's samples may be clipped, where nothing else is configured: as for the alarm of clipped sound."""
FAR = 3.0
"""A single window may lie as many thresholds away: further off it would be a normal sound of its own. The same for a
recording among others: as many times as far from them as they are, in the median, from each other."""
ENOUGH_RECORDINGS = 3
"""From so many on recordings can speak for one another."""
_WAY_OUT = "force it where it is the machine's normal sound in this place"


class ReferenceRefusedError(AsdstreamError):
    """A recording that does not belong to the machine as it is known; nothing was added."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A recording that would be a reference: 16 kHz mono `samples` (m,), embeddings (n, D) by branch as a scorer's."""

    name: str
    samples: NDArray[np.float32]
    vectors: Mapping[str, NDArray[np.float32]]


def refuse_bad_sound(name: str, samples: NDArray[np.float32], clipped_share: float = CLIPPED_SHARE) -> None:
    """Raises ReferenceRefusedError where 16 kHz mono `samples` (m,) are silent or clipped."""
    meter = QualityMeter()
    seconds = silent = 0
    for first in range(0, len(samples) - SAMPLE_RATE + 1, SAMPLE_RATE):
        meter.add(samples[first : first + SAMPLE_RATE, None], SAMPLE_RATE)
        seconds += 1
        silent += meter.latest is not None and meter.latest.silent
    if silent > SILENT_SHARE * seconds:
        raise ReferenceRefusedError(
            f"{name} is silent, as only a dead input is, for {silent} of {seconds} s; a reference is the machine's "
            "normal sound"
        )
    clipped = float(np.mean(np.abs(samples) >= CLIPPED_AT))
    if clipped > clipped_share:
        raise ReferenceRefusedError(
            f"{name} is clipped: {clipped:.1%} of its samples are at full scale, at most {clipped_share:.1%} are right"
        )


def refuse_strangers(candidates: Sequence[Candidate], scorer: MachineScorer) -> None:
    """Raises ReferenceRefusedError for the first recording that is too far from all that the machine is known by.

    That is every prototype and reference that `scorer` holds, and the threshold that it has from normal sound: the
    median of a recording's windows must not lie over it, since such a sound raises the alarm, and no window over three
    times of it. Where no reference is enrolled yet, three recordings or more speak for one another instead, because a
    machine may sound different in another place: none may be over three times as far from the others as they are, in
    the median. Without a threshold nothing can be said, and nothing is refused.
    """
    enrolled = any(bank.references for bank in scorer.banks.values())
    if not enrolled and len(candidates) >= ENOUGH_RECORDINGS:
        _refuse_odd_one(candidates)
        return
    if not scorer.ready or scorer.uncalibrated is not None:
        return
    for candidate in candidates:
        levels = scorer.score_vectors(candidate.vectors) / scorer.threshold
        if float(np.median(levels)) > 1.0:
            raise ReferenceRefusedError(
                f"{candidate.name} would itself raise the alarm: its windows lie, in the median, at "
                f"{np.median(levels):.1f} times the threshold of {scorer.machine}; {_WAY_OUT}"
            )
        if float(levels.max()) > FAR:
            begin = int(levels.argmax()) * WINDOW_SECONDS
            raise ReferenceRefusedError(
                f"{candidate.name} holds a sound from second {begin:.0f} on that is far from everything that "
                f"{scorer.machine} is known by, at {levels.max():.1f} times the threshold; {_WAY_OUT}"
            )


def _refuse_odd_one(candidates: Sequence[Candidate]) -> None:
    distances = np.array([_from_others(candidates, i) for i in range(len(candidates))])
    odd, usual = int(distances.argmax()), float(np.median(distances))
    if distances[odd] > FAR * usual:
        raise ReferenceRefusedError(
            f"{candidates[odd].name} does not sound like the other recordings: it is {distances[odd] / usual:.1f} "
            f"times as far from them as they are from each other; {_WAY_OUT}"
        )


def _from_others(candidates: Sequence[Candidate], which: int) -> float:
    """Median over the windows of one recording of the cosine distance to the nearest window of any other."""
    total = np.zeros(len(next(iter(candidates[which].vectors.values()))))
    for branch, own in candidates[which].vectors.items():
        others = np.concatenate([one.vectors[branch] for i, one in enumerate(candidates) if i != which])
        total += 1.0 - (_unit(own) @ _unit(others).T).max(axis=1)
    return max(float(np.median(total)), float(np.finfo(np.float32).eps))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
