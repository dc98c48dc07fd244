"""Whatever strangers send, on every topic that the daemon listens on."""

import itertools
import random
from collections.abc import Callable

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.malformed import no_command, no_sound
from faults.plant import FAR, MOST_GROWTH_MB, RECORDING_S, ROOT, Plant
from processes import wait_until
from small_bundle import fan_sound, strange_sound

from asdstream.mqtt.commands import VERBS

AT_A_TIME = 100
HOME_ASSISTANT = ("homeassistant/status", "homeassistant/device/asdstream-plant-line-1/config")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_malformed_messages_on_every_topic_change_nothing_and_delay_no_alarm_for_ever(
    plant: Plant, count: int, report: Callable[..., None]
) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: "info" in plant.witness.messages, PATIENCE_S)
    plant.more_transitions(10)
    threads, before_mb = plant.daemon.threads, plant.daemon.memory_mb
    chance = random.Random(4)
    sound, commands = no_sound(chance), no_command(chance)
    topics = {f"{ROOT}/channel/{FAR}/audio": sound}
    topics |= {f"{ROOT}/cmd/{verb}": commands for verb in (*VERBS, "explode")}
    topics |= dict.fromkeys(HOME_ASSISTANT, commands)
    sent = 0
    while sent < count:
        for topic, messages in topics.items():
            for payload in itertools.islice(messages, AT_A_TIME):
                plant.witness.send(topic, payload)
        sent += AT_A_TIME
        # At the pace of the daemon: what it has not looked at yet only waits in the broker.
        assert wait_until(lambda sent=sent: rejected(plant) >= sent, PATIENCE_S), (rejected(plant), sent)
    assert rejected(plant) == sent
    account = plant.account()
    after_mb = plant.daemon.memory_mb
    report(account, topics=len(topics), messages_on_each=sent, threads=threads, memory_mb=(before_mb, after_mb))
    account.check()
    assert all(transition.actor is None for transition in plant.journal.transitions), "none was carried out"
    plant.check_alive(threads)
    assert after_mb < before_mb + MOST_GROWTH_MB
    # Sound between them is heard as if they had never come.
    for name, played in (("raised", strange_sound(RECORDING_S, 1)), ("cleared", fan_sound(RECORDING_S, 2))):
        plant.play(played)
        assert wait_until(lambda name=name: plant.made(f"{FAR}.anomaly")[-1:] == [name], PATIENCE_S)
    assert len(plant.daemon.log) < 50 + 2 * len(plant.journal.transitions), "a flood does not fill the log"
    assert plant.daemon.end() == 0


def rejected(plant: Plant) -> int:
    """Messages of sound that the daemon has refused, as its health tells every ten seconds and with every alarm."""
    return int(plant.witness.messages.get(f"channel/{FAR}/health", {}).get("rejected", 0))
