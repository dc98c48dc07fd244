"""The topics of one daemon, below `asd/v1/<site>/<node>/`."""

import re

from asdstream.errors import AsdstreamError

ROOT = "asd/v1"
LEVEL = r"[a-z0-9_-]{1,64}"
"""What a site, a node, a channel or a verb may be called."""
TRANSACTION_LEVEL = r"[A-Za-z0-9_-]{1,64}"
ALARM_LEVEL = r"[a-z0-9_.-]{1,128}"


class TopicError(AsdstreamError):
    """A name that cannot be a level of a topic."""


def _level(name: str, meaning: str, allowed: str = LEVEL) -> str:
    if not re.fullmatch(allowed, name):
        raise TopicError(f'{meaning} should be a short name of a-z, 0-9, - and _ to stand in a topic, not "{name}"')
    return name


class Topics:
    """Every topic that the daemon of `site` and `node` publishes or listens on; no wildcard can get into one.

    Example:
        >>> Topics("plant", "line-1").score("pump")
        'asd/v1/plant/line-1/channel/pump/score'
    """

    def __init__(self, site: str, node: str) -> None:
        self.root = f"{ROOT}/{_level(site, 'the site')}/{_level(node, 'the node')}"
        self.status = f"{self.root}/status"
        self.info = f"{self.root}/info"
        self.alarm_event = f"{self.root}/event/alarm"
        self.commands = f"{self.root}/cmd/+"
        """All commands; inbound."""

    def audio(self, channel: str) -> str:
        """Sound for a channel whose source is MQTT; inbound."""
        return self._channel(channel, "audio")

    def score(self, channel: str) -> str:
        """One message per window."""
        return self._channel(channel, "score")

    def health(self, channel: str) -> str:
        """How the channel's sound is; retained."""
        return self._channel(channel, "health")

    def alarm_state(self, alarm_id: str) -> str:
        """The alarm as it stands; retained, emptied when back to normal."""
        return f"{self.root}/alarm/{_level(alarm_id, 'the alarm', ALARM_LEVEL)}/state"

    def command(self, verb: str) -> str:
        """What somebody asks of the daemon; inbound."""
        return f"{self.root}/cmd/{_level(verb, 'the verb')}"

    def reply(self, transaction: str) -> str:
        """The answer to a command, for whoever chose that transaction."""
        return f"{self.root}/reply/{_level(transaction, 'the transaction', TRANSACTION_LEVEL)}"

    def _channel(self, channel: str, leaf: str) -> str:
        return f"{self.root}/channel/{_level(channel, 'the channel')}/{leaf}"
