"""Channels that were configured once: their alarms would stand for ever, since nobody listens there any more."""

import time
from collections.abc import Callable, Collection

import structlog

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.elapsed import Instant
from asdstream.alarms.policy import AlarmPolicy
from asdstream.mqtt.alarm_messages import event_messages
from asdstream.mqtt.topics import Topics
from asdstream.store.database import StoreError
from asdstream.store.outbox_message import OutboxMessage
from asdstream.store.store import Store

log = structlog.get_logger()


def retire_forgotten_channels(
    store: Store,
    configured: Collection[str],
    policy: AlarmPolicy,
    topics: Topics,
    boot_id: str,
    new_id: Callable[[], str],
) -> None:
    """Clear the alarms of every channel in `store` that is not `configured`, and forget it.

    What the broker keeps of its health goes as well: it would look like a channel that stands still.
    """
    for channel, snapshot in store.snapshots().items():
        if channel in configured:
            continue
        machine = next((state.machine for state in snapshot.states), channel)
        alarms = ChannelAlarms(policy, channel, machine, new_id, snapshot)
        now = Instant(time.monotonic(), time.time())
        events = alarms.retire(now, "the channel is no longer configured")
        health = OutboxMessage(topics.health(channel), b"", retain=True)
        try:
            store.commit([alarms.snapshot()], [*event_messages(topics, events, boot_id), health])
            store.forget_channel(channel)
        except StoreError as error:
            log.warning("channel_not_retired", channel=channel, problem=str(error), again="at the next start")
            continue
        log.warning("channel_retired", channel=channel, alarms_cleared=len(events))
