"""What must hold after every fault, whatever it was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faults.journal import Transition


@dataclass(frozen=True, slots=True)
class Account:
    """The transitions that were made against those that a subscriber saw.

    `made` were committed; `received` messages came, `duplicates` of them for the second time or more, which consumers
    tell by the event id. Event ids of those that never came are in `lost`, of those that nobody had committed in
    `invented`. `disordered` holds the alarms whose transitions were first seen in another order than that in which
    they were made; `impossible` what no alarm can do: being raised while it stands, being cleared while it does not.
    """

    made: int
    received: int
    duplicates: int
    lost: tuple[str, ...]
    invented: tuple[str, ...]
    disordered: tuple[str, ...]
    impossible: tuple[str, ...]

    def check(self) -> None:
        """Nothing lost, nothing invented, nothing out of order."""
        assert self.made
        wrong = (self.lost, self.invented, self.disordered, self.impossible)
        assert not any(wrong), self

    def __str__(self) -> str:
        return (
            f"{self.made} transitions made, {self.received} messages received, {self.duplicates} of them duplicates, "
            f"{len(self.lost)} lost, {len(self.invented)} invented, {len(self.disordered)} alarms out of order"
        )


def settle(seen: Sequence[Transition], *made: Sequence[Transition]) -> Account:
    """Compare what was `seen`, in the order of arrival, with what each daemon `made`, in the order of its commits."""
    first_seen = list(dict.fromkeys(transition.event_id for transition in seen))
    came = set(first_seen)
    committed = {transition.event_id for journal in made for transition in journal}
    return Account(
        made=len(committed),
        received=len(seen),
        duplicates=len(seen) - len(came),
        lost=tuple(sorted(committed - came)),
        invented=tuple(sorted(came - committed)),
        disordered=tuple(alarm for journal in made for alarm in _disordered(journal, first_seen)),
        impossible=tuple(wrong for journal in made for wrong in _impossible(journal)),
    )


def _disordered(made: Sequence[Transition], first_seen: Sequence[str]) -> Iterator[str]:
    came = set(first_seen)
    by_alarm: dict[str, list[str]] = {}
    for transition in made:
        if transition.event_id in came:
            by_alarm.setdefault(transition.alarm_id, []).append(transition.event_id)
    place = {event_id: i for i, event_id in enumerate(first_seen)}
    for alarm, event_ids in by_alarm.items():
        places = [place[event_id] for event_id in event_ids]
        if places != sorted(places):
            yield alarm


def _impossible(made: Sequence[Transition]) -> Iterator[str]:
    standing: set[str] = set()
    for transition in made:
        alarm = transition.alarm_id
        if (transition.name == "raised" and alarm in standing) or (
            transition.name == "cleared" and alarm not in standing
        ):
            yield f"{alarm} {transition.name} ({transition.event_id})"
        if transition.name == "raised":
            standing.add(alarm)
        if transition.name == "cleared":
            standing.discard(alarm)
