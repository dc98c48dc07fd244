"""A microphone dies and comes back, again and again, while other machines are heard."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faults.forked_daemon import PATIENCE_S
from faults.plant import Plant
from numpy.typing import NDArray
from processes import wait_until
from small_bundle import fan_sound
from virtual_microphone import NAME, VirtualMicrophone, require_alsa

CHANNEL = f"""
[[channels]]
id = "floor"
machine = "floor"
machine_type = "fan"
hop = 10.0
source = {{ kind = "microphone", device = "{NAME}", sample_rate = 16000 }}
"""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("times", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_each_time_it_is_missed_and_each_time_it_is_heard_again(
    plant: Plant, small_bundle: Path, times: int, report: Callable[..., None]
) -> None:
    require_alsa()
    sound = fan_sound(20, seed=9)

    def at(position: int, count: int) -> NDArray[np.float32]:
        return sound[np.arange(position, position + count) % len(sound)]

    microphone = VirtualMicrophone(plant.folder, at, 16_000)
    try:
        plant.write_config(small_bundle, CHANNEL)
        text = plant.config.read_text().replace("source_lost_after_s = 1000.0", "source_lost_after_s = 1.0")
        plant.config.write_text(text)
        plant.start(**microphone.environment)
        health = plant.witness.messages
        assert wait_until(lambda: health.get("channel/floor/health", {}).get("state") == "live", PATIENCE_S)
        plant.more_transitions(2)
        threads = plant.daemon.threads
        for _ in range(times):
            for paused, name in ((True, "raised"), (False, "cleared")):
                microphone.paused = paused
                assert wait_until(lambda name=name: plant.made("floor.source")[-1:] == [name], PATIENCE_S)
        account = plant.account()
        report(account, times=times)
        account.check()
        # On a busy box it may be missed once more than it was away.
        assert plant.made("floor.source").count("raised") >= times
        plant.check_alive(threads)
        assert plant.daemon.end() == 0
    finally:
        microphone.close()
