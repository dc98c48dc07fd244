"""What the daemon does with a machine that its bundle does not know: every enrolled recording is held against."""

from dataclasses import dataclass

import numpy as np

from trainer.backends.back_end import NormalSound
from trainer.backends.minimum_cosine import NearestPrototype
from trainer.errors import DataError


@dataclass(frozen=True, slots=True)
class NearestReference:
    """Windows of all training clips, of both domains, that do not overlap: what `asdstream enroll` makes of them."""

    step: int = 10
    """Every so manieth window of a clip: those that do not overlap, at a hop of a second."""

    def fit(self, sound: NormalSound, seed: int) -> NearestPrototype:  # noqa: ARG002 - nothing is drawn
        """See `BackEnd`."""
        clips = [*sound.source, *sound.target]
        if not clips:
            raise DataError("there is no training clip to enrol; at least one is needed")
        return NearestPrototype(np.concatenate([rows[:: self.step] for rows in clips]))
