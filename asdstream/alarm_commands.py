"""Commands to alarms, from messages to the judge."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from asdstream.alarms.command import Acknowledge, Reset, ReturnToService, Shelve, TakeOutOfService, Unshelve
from asdstream.alarms.command import Command as AlarmCommand
from asdstream.alarms.event import AlarmState
from asdstream.command_desk import Handler, Order
from asdstream.judge import Judge
from asdstream.mqtt.commands import AlarmArgs, Command, ShelveArgs
from asdstream.mqtt.payloads import AlarmPayload
from asdstream.store.ledger import Ledger

ANSWER_WITHIN_S = 5.0
"""The judge comes round many times a second; it takes longer only where the disk does."""

_MAKE: Mapping[str, Callable[[str, str], AlarmCommand]] = {
    "ack": Acknowledge,
    "unshelve": Unshelve,
    "reset": Reset,
    "out_of_service": TakeOutOfService,
    "in_service": ReturnToService,
}


def alarm_handlers(judge: Judge, ledger: Ledger, utc: Callable[[], float] = time.time) -> dict[str, Handler]:
    """By verb, what carries out commands to alarms: the judge. The answer is the alarm as it stands then.

    `alarms` changes nothing; it is answered with every alarm that is of interest.
    """

    def obey(command: Command) -> Order:
        return Order(judge.submit(_alarm_command(command, utc())), ANSWER_WITHIN_S, _alarm)

    def list_alarms(_command: Command) -> Order:
        standing: Future[list[AlarmState]] = Future()
        standing.set_result([state for state in ledger.alarms() if state.of_interest])
        return Order(standing, ANSWER_WITHIN_S, lambda states: {"alarms": [_alarm(state) for state in states]})

    return {**dict.fromkeys(("shelve", *_MAKE), obey), "alarms": list_alarms}


def _alarm_command(command: Command, utc: float) -> AlarmCommand:
    args = command.args
    if isinstance(args, ShelveArgs):
        return Shelve(args.alarm_id, command.actor, utc + args.seconds, args.once)
    if isinstance(args, AlarmArgs):
        return _MAKE[command.verb](args.alarm_id, command.actor)
    raise TypeError(f"{command.verb} is no command to an alarm")


def _alarm(state: AlarmState) -> dict[str, Any]:
    return AlarmPayload.of(state).model_dump(mode="json")
