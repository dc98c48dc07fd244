"""The harness itself: it sees what is lost, invented, out of order or impossible."""

from faults.account import settle
from faults.journal import Transition


def transition(event_id: str, name: str = "raised", alarm: str = "fan-1.anomaly") -> Transition:
    return Transition(event_id, alarm, name, "2026-01-01T00:00:00.000Z")


RAISED, CLEARED, OTHER = transition("a"), transition("b", "cleared"), transition("c", alarm="fan-2.anomaly")


def test_all_that_was_made_and_came_in_order_is_well() -> None:
    account = settle([RAISED, OTHER, CLEARED], [RAISED, CLEARED, OTHER])
    account.check()
    assert (account.made, account.received, account.duplicates) == (3, 3, 0)


def test_what_comes_twice_is_a_duplicate_and_keeps_the_place_in_which_it_came_first() -> None:
    account = settle([RAISED, CLEARED, RAISED, CLEARED], [RAISED, CLEARED])
    account.check()
    assert account.duplicates == 2


def test_what_never_came_is_lost_and_what_nobody_made_is_invented() -> None:
    account = settle([RAISED, OTHER], [RAISED, CLEARED])
    assert (account.lost, account.invented) == (("b",), ("c",))


def test_another_order_within_an_alarm_is_seen() -> None:
    assert settle([CLEARED, RAISED], [RAISED, CLEARED]).disordered == ("fan-1.anomaly",)


def test_an_alarm_that_is_raised_while_it_stands_is_seen_for_each_daemon_on_its_own() -> None:
    again = transition("d")
    assert len(settle([RAISED, again], [RAISED, again]).impossible) == 1
    settle([RAISED, again], [RAISED], [again]).check()
