"""The daemon is killed at any instant, among them those between a commit and its acknowledgement."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial

import pytest
from faults.forked_daemon import PATIENCE_S
from faults.gate import Gate
from faults.plant import Plant
from processes import wait_until

LONGEST_LIFE_S = 4.0
"""Twice what it takes to start: about half of those that are killed at random have not begun to listen."""


class Instant(Enum):
    """When to kill."""

    ANY = auto()
    SENT = auto()
    """The broker has a transition, and its acknowledgement does not reach the daemon."""
    COMMITTED = auto()
    """A transition is on disk, and does not reach the broker."""


@pytest.fixture
def gate(plant: Plant) -> Iterator[Gate]:
    made = Gate(plant.broker.port)
    yield made
    made.close()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_no_transition_is_lost_when_the_daemon_is_killed_at_any_instant(
    plant: Plant, gate: Gate, kills: int, report: Callable[..., None]
) -> None:
    plant.config.write_text(plant.config.read_text().replace(f"port = {plant.broker.port}", f"port = {gate.port}"))
    chance = random.Random(2)
    unacknowledged = sent = 0
    for i in range(kills):
        instant = (Instant.SENT, Instant.COMMITTED, Instant.ANY)[i % 3]
        plant.start()
        if instant is Instant.ANY:
            time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
        else:
            # It is about its business: what it says of itself when it connects is no longer on its way.
            heard = plant.witness.counts["event/alarm"]
            plant.daemon.wait_for("mqtt_connected")
            assert wait_until(lambda heard=heard: plant.witness.counts["event/alarm"] > heard, PATIENCE_S)
            time.sleep(chance.uniform(0.0, 0.5))
            gate.thankless, gate.deaf = instant is Instant.SENT, instant is Instant.COMMITTED
            assert wait_until(partial(waiting, plant, sent=instant is Instant.SENT), PATIENCE_S), instant
            time.sleep(chance.uniform(0.0, 0.1))
        assert plant.daemon.code is None, plant.daemon.log[-5:]
        assert plant.daemon.end(signal.SIGKILL) == -signal.SIGKILL
        assert not plant.daemon.complaints
        unacknowledged += bool(plant.journal.unacknowledged)
        sent += bool(waiting(plant, sent=True))
        gate.thankless = gate.deaf = False
    plant.start()
    plant.more_transitions(20)
    account = plant.account()
    report(account, kills=kills, between_commit_and_acknowledgement=unacknowledged, broker_had_it=sent)
    account.check()
    plant.check_alive(plant.daemon.threads)
    assert plant.journal.sound
    assert unacknowledged >= kills // 3 * 2
    assert account.duplicates >= kills // 3, "what the broker had, unknown to the daemon, was sent again"
    assert plant.daemon.end() == 0


def waiting(plant: Plant, *, sent: bool) -> set[str]:
    """Events that are not acknowledged as far as the daemon knows, although the witness has seen them, or has not."""
    seen = {transition.event_id for transition in list(plant.witness.events)}
    unacknowledged = plant.journal.unacknowledged
    return unacknowledged & seen if sent else unacknowledged - seen
