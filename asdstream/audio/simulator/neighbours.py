"""Other machines at work in the same hall."""

from collections.abc import Callable
from typing import Final

import numpy as np

from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.elsewhere import Elsewhere
from asdstream.audio.simulator.machines.compressor import compressor
from asdstream.audio.simulator.machines.conveyor import conveyor
from asdstream.audio.simulator.machines.fan import fan
from asdstream.audio.simulator.machines.gearbox import gearbox
from asdstream.audio.simulator.machines.grinder import grinder
from asdstream.audio.simulator.machines.press import press
from asdstream.audio.simulator.machines.shaker import shaker
from asdstream.audio.simulator.machines.vacuum import vacuum
from asdstream.audio.simulator.room import room_response
from asdstream.audio.simulator.voice import Voice

_MACHINES: Final[tuple[Callable[[Nameplate], Design], ...]] = (
    compressor,
    conveyor,
    fan,
    gearbox,
    grinder,
    press,
    shaker,
    vacuum,
)
_LOUDEST: Final = 4
"""From afar the rest of a machine is not told from these parts of it."""


def neighbour(rng: np.random.Generator, number: int, level_db: float, sample_rate: int) -> list[Voice]:
    """The loudest parts of a machine drawn from all kinds, through the room between it and the microphone."""
    designer = _MACHINES[int(rng.integers(len(_MACHINES)))]
    # Identities from here on are taken by nobody who names one by hand.
    plate = Nameplate(designer.__name__, int(rng.integers(1 << 40, 1 << 41)), sample_rate)
    designed = designer(plate)
    motion = designed.motion()
    far = room_response("hall", int(rng.integers(1 << 30)), sample_rate)
    heard = sorted(designed.voices, key=lambda voice: voice.level_db, reverse=True)[:_LOUDEST]
    total_db = 10.0 * np.log10(sum(10.0 ** (voice.level_db / 10.0) for voice in heard))
    paths = {id(None): far}
    for voice in heard:
        if voice.response is not None and id(voice.response) not in paths:
            paths[id(voice.response)] = np.convolve(voice.response, far)
    return [
        Voice(
            Elsewhere(voice.excitation, f"neighbour {number}", motion),
            level_db + voice.level_db - total_db,
            paths[id(voice.response)],
        )
        for voice in heard
    ]
