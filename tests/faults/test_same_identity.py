"""Two daemons of one site and node, as a copied configuration makes them."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest
from faults.forked_daemon import ForkedDaemon
from faults.journal import Journal
from faults.plant import Plant

LONGEST_PAUSE = "asdstream.mqtt.client.LONGEST_RETRY_S"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("turns", "constants"),
    [(2, {LONGEST_PAUSE: 1.0}), pytest.param(6, {}, marks=pytest.mark.slow, id="6 turns, as it ships")],
)
def test_they_take_turns_at_the_broker_ever_slower_say_why_and_lose_nothing(
    plant: Plant, turns: int, constants: dict[str, float], report: Callable[..., None]
) -> None:
    other_journal = Journal(plant.folder / "other.db")
    other_config = plant.folder / "other.toml"
    other_config.write_text(plant.config.read_text().replace('"state.db"', '"other.db"'))
    plant.start(constants=constants)
    plant.start(other_config, constants)
    for daemon in plant.daemons:
        problems = [line["problem"] for line in daemon.said("mqtt_not_connected")]
        while not any("is a second client of our name running?" in problem for problem in problems):
            daemon.wait_for("mqtt_not_connected", times=len(problems) + 1)
            problems = [line["problem"] for line in daemon.said("mqtt_not_connected")]
    for daemon in plant.daemons:
        daemon.wait_for("mqtt_connected", times=len(daemon.said("mqtt_connected")) + turns)
    pauses = [pauses_of(daemon)[-turns:] for daemon in plant.daemons]
    account = plant.account(other_journal)
    report(account, turns=turns, seconds_between=pauses)
    account.check()
    for daemon_pauses in pauses:
        assert daemon_pauses[-1] >= 0.5 * constants.get(LONGEST_PAUSE, 20.0), "they would disturb each other for ever"
    first, second = plant.daemons
    assert not first.complaints
    assert not second.complaints
    # Once one of them has gone the other has the place for itself.
    assert plant.daemons.pop().end() == 0
    plant.more_transitions(5)
    plant.check_alive(1)
    assert plant.journal.sound
    assert other_journal.sound


def pauses_of(daemon: ForkedDaemon) -> list[float]:
    """Seconds between one connection and the next."""
    connected = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in daemon.said("mqtt_connected")]
    return [round(later - sooner, 1) for sooner, later in pairwise(connected)]


def test_a_second_one_on_the_same_database_is_refused_and_the_first_goes_on(plant: Plant) -> None:
    plant.start()
    plant.daemon.wait_for("mqtt_connected")
    plant.start()
    refused = plant.daemons.pop()
    assert refused.wait_for_end() == 1
    (said,) = refused.log
    assert "Another daemon works with the database" in said["event"]
    plant.more_transitions(4)
    plant.account().check()
    assert not plant.daemon.said("mqtt_not_connected")
    plant.check_alive(1)
