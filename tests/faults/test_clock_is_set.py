"""The computer's clock is set under a running daemon: nothing but the times that it tells may change."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.plant import FAR, RECORDING_S, Plant
from processes import wait_until
from small_bundle import fan_sound, strange_sound

DAY_S = 86_400.0


@pytest.fixture
def set_clock(plant: Plant) -> Iterator[Callable[[float], None]]:
    """UTC of the daemon, in seconds after what it is."""
    yield plant.launcher.set_clock
    plant.launcher.set_clock(0.0)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("jumps", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_alarms_follow_the_sound_whatever_the_clock_is_set_to(
    plant: Plant, set_clock: Callable[[float], None], jumps: int, report: Callable[..., None]
) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: "info" in plant.witness.messages, PATIENCE_S)
    plant.more_transitions(4)
    threads = plant.daemon.threads
    sounds = {"raised": strange_sound(RECORDING_S, seed=1), "cleared": fan_sound(RECORDING_S, seed=2)}
    shelved = plant.witness.ask("shelve", alarm_id="overload", seconds=3600)["data"]
    assert shelved["shelved"]

    chance = random.Random(3)
    alarm, expected = f"{FAR}.anomaly", list[str]()
    for i in range(jumps):
        shift_s = chance.choice((-1.0, 1.0)) * chance.choice((1.0, 40.0, 3600.0, DAY_S, 400 * DAY_S))
        set_clock(shift_s)
        expected.append(("raised", "cleared")[i % 2])
        plant.play(sounds[expected[-1]])
        assert wait_until(lambda: len(plant.made(alarm)) >= len(expected), PATIENCE_S), plant.daemon.log[-5:]
        assert plant.made(alarm) == expected, "one transition for each change of the sound, neither more nor fewer"
        latest = [one for one in plant.journal.transitions if one.alarm_id == alarm][-1]
        told = datetime.fromisoformat(latest.ts).timestamp()
        assert told == pytest.approx(time.time() + shift_s, abs=30.0), "told in the time that the clock shows"
    standing = {state["alarm_id"]: state for state in plant.witness.ask("alarms")["data"]["alarms"]}
    assert standing["overload"]["shelved"], "an hour has not passed, whatever the clock says"
    account = plant.account()
    report(account, jumps=jumps)
    account.check()
    plant.check_alive(threads)
    assert plant.daemon.end() == 0
