"""An alarm transition as the messages that tell of it."""

from collections.abc import Iterable

from asdstream.alarms.event import AlarmEvent, AlarmState, Transition
from asdstream.mqtt.payloads import AlarmPayload, EventPayload
from asdstream.mqtt.topics import Topics
from asdstream.store.outbox_message import OutboxMessage


def state_message(topics: Topics, state: AlarmState) -> OutboxMessage:
    """The retained message for an alarm as it stands; empty, which removes it, once nothing about it is of interest."""
    payload = AlarmPayload.of(state).encode() if state.of_interest else b""
    return OutboxMessage(topics.alarm_state(state.alarm_id), payload, retain=True)


def event_messages(topics: Topics, events: Iterable[AlarmEvent], boot_id: str) -> list[OutboxMessage]:
    """For each transition the event, where it has one, then the state it led to: both belong in the outbox."""
    messages = []
    for event in events:
        if event.transition.has_event:
            essential = event.transition is not Transition.UPDATED
            payload = EventPayload.of(event, boot_id).encode()
            messages.append(OutboxMessage(topics.alarm_event, payload, essential=essential))
        messages.append(state_message(topics, event.state))
    return messages
