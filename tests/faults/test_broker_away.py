"""The broker dies, comes back, or is away for hours, while alarms come and go many times a second."""

import random
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.plant import FAR, MOST_GROWTH_MB, PLAYED, RECORDING_S, Plant
from processes import wait_until
from small_bundle import fan_sound, strange_sound


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("restarts", "minutes"), [(3, 3), pytest.param(50, 3 * 60, marks=pytest.mark.slow, id="50 restarts, 3 hours")]
)
def test_no_transition_is_lost_while_the_broker_dies_again_and_again_and_then_stays_away_for_hours(
    plant: Plant, restarts: int, minutes: int, report: Callable[..., None]
) -> None:
    # A broker that hardly ever stands makes it patient; here it should be caught while it sends as well.
    plant.start(constants={"asdstream.mqtt.client.LONGEST_RETRY_S": 0.5})
    plant.daemon.wait_for("mqtt_connected")
    plant.more_transitions(20)
    threads, before_mb = plant.daemon.threads, plant.daemon.memory_mb

    chance = random.Random(1)
    for _ in range(restarts):
        # At any moment: before the daemon is back, in the midst of what it has to catch up on, or after it.
        time.sleep(chance.uniform(0.0, 2.0))
        plant.restart_broker(kill=chance.random() < 0.8)
    account = plant.account()
    account.check()
    report(account, restarts=restarts)

    plant.broker.stop(kill=True)
    began = len(plant.journal.transitions)
    # Recordings are played faster than time, and the times of the windows with them.
    plant.more_transitions(len(PLAYED) * minutes * 60 // RECORDING_S, timeout_s=3000)
    away = plant.journal.transitions[began:]
    spanned_s = (datetime.fromisoformat(away[-1].ts) - datetime.fromisoformat(away[0].ts)).total_seconds()
    assert spanned_s > 0.8 * minutes * 60
    plant.broker.start()
    plant.more_transitions(10)
    account = plant.account(timeout_s=300)
    account.check()
    plant.check_alive(threads)
    after_mb = plant.daemon.memory_mb
    report(account, minutes_away=round(spanned_s / 60), threads=threads, memory_mb=(before_mb, after_mb))
    assert after_mb < before_mb + MOST_GROWTH_MB
    assert plant.daemon.end() == 0
    plant.check_standing()


def test_what_a_broker_remembers_wrongly_of_an_alarm_is_put_right(plant: Plant) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: "info" in plant.witness.messages, PATIENCE_S)
    plant.play(strange_sound(RECORDING_S, seed=1))
    assert wait_until(lambda: plant.witness.states.get(f"{FAR}.anomaly"), PATIENCE_S)
    # It writes down what it retains when it ends politely, and not when it is killed.
    plant.restart_broker(kill=False)
    # The daemon subscribes once it is connected; sound that came in between would reach nobody.
    assert wait_until(lambda: plant.times_listened >= 2, PATIENCE_S)
    plant.play(fan_sound(RECORDING_S, seed=2))
    assert wait_until(lambda: plant.witness.states[f"{FAR}.anomaly"] == b"", PATIENCE_S)
    plant.restart_broker(kill=True)
    assert wait_until(lambda: plant.witness.states[f"{FAR}.anomaly"] != b"", PATIENCE_S)
    plant.daemon.wait_for("mqtt_connected", times=3)
    assert plant.daemon.end() == 0
    plant.check_standing()
