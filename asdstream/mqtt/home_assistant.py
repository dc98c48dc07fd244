"""Home Assistant finds the box by itself: MQTT device discovery.

One retained message describes the device and the entities of every channel, as
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload asks for. It is sent with every connection
and again when Home Assistant says that it has started.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.connection import Connection
from asdstream.mqtt.topics import Topics

log = structlog.get_logger()

EXPIRE_AFTER_S = 120
"""A score so old says nothing about the machine any more; far longer than the widest hop."""
RESEND_AFTER_S = 5.0
"""However often somebody says that Home Assistant has started."""
_MAX_BIRTH_BYTES = 1024
_AVAILABLE = "{{ value_json.state }}"
_ALARM = "{{ {'active': 'ON', 'none': 'OFF'}.get(value_json.alarm) }}"
"""None, which reads as unknown, where nobody can tell whether the machine is well."""
_SOUND = "{{ 'ON' if value_json.state == 'live' else 'OFF' }}"
_ATTRIBUTES = "{{ value or '{}' }}"
"""An alarm that is over is an empty message, which is no JSON."""

Component = dict[str, Any]


class HomeAssistant:
    """Announces the box; `identity` names it among all devices of the broker: letters, digits, `-` and `_`."""

    def __init__(
        self,
        client: MqttClient,
        topics: Topics,
        *,
        identity: str,
        version: str,
        channels: Sequence[str],
        prefix: str = "homeassistant",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic = f"{prefix}/device/{identity}/config"
        self._birth_topic = f"{prefix}/status"
        self._client = client
        self._topics = topics
        self._identity = identity
        self._version = version
        self._clock = clock
        self._components: dict[str, Component] = {}
        for channel in channels:
            self._components |= self._channel(channel)
        self._lock = threading.Lock()
        self._sent: float | None = None
        self._remembered = False

    def attach(self) -> None:
        """Announce with every connection of the client from the next one on."""
        self._client.subscribe(self._birth_topic, self._on_birth, qos=1, max_bytes=_MAX_BIRTH_BYTES)
        # What the broker kept from before names the channels that we may have to take back.
        self._client.subscribe(self.topic, self._on_remembered, qos=1)
        self._client.on_connection(self._on_connection)

    def announcement(self) -> bytes:
        """The discovery message."""
        return self._message(self._components)

    def _message(self, components: dict[str, Component]) -> bytes:
        message = {
            "device": {
                "identifiers": [self._identity],
                "name": self._identity,
                "manufacturer": "asdstream",
                "model": "anomalous sound detection",
                "sw_version": self._version,
            },
            "origin": {"name": "asdstream", "sw_version": self._version},
            "availability": [{"topic": self._topics.status, "value_template": _AVAILABLE}],
            "qos": 1,
            "components": components,
        }
        return json.dumps(message).encode()

    def _channel(self, channel: str) -> dict[str, Component]:
        score = {
            "platform": "sensor",
            "state_topic": self._topics.score(channel),
            "state_class": "measurement",
            "expire_after": EXPIRE_AFTER_S,
        }
        components: dict[str, Component] = {
            "score": score
            | {
                "name": f"{channel} anomaly score",
                "value_template": "{{ value_json.score }}",
                "suggested_display_precision": 4,
            },
            "calibrated": score
            | {
                "name": f"{channel} calibrated score",
                "value_template": "{{ value_json.calibrated }}",
                "suggested_display_precision": 2,
            },
            "alarm": {
                "platform": "binary_sensor",
                "name": f"{channel} alarm",
                "device_class": "problem",
                "state_topic": self._topics.health(channel),
                "value_template": _ALARM,
                "json_attributes_topic": self._topics.alarm_state(f"{channel}.anomaly"),
                "json_attributes_template": _ATTRIBUTES,
            },
            "sound": {
                "platform": "binary_sensor",
                "name": f"{channel} sound",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": self._topics.health(channel),
                "value_template": _SOUND,
                "json_attributes_topic": self._topics.health(channel),
            },
        }
        return {
            f"{channel}_{kind}": component | {"unique_id": f"{self._identity}_{channel}_{kind}"}
            for kind, component in components.items()
        }

    def _on_connection(self, connection: Connection | None) -> None:
        self._remembered = False
        if connection is not None:
            self._announce()

    def _on_birth(self, _topic: str, payload: bytes) -> None:
        with self._lock:
            early = self._sent is not None and self._clock() < self._sent + RESEND_AFTER_S
        if payload == b"online" and not early:
            self._announce()

    def _on_remembered(self, _topic: str, payload: bytes) -> None:
        """The first message of a connection on our own topic: what the broker kept, or else what we have just sent."""
        if self._remembered:
            return
        self._remembered = True
        forgotten = {
            name: {"platform": platform}
            for name, platform in _announced(payload).items()
            if name not in self._components
        }
        if forgotten:
            # Only its platform: that is how Home Assistant is told to drop a component; then they stay away.
            self._publish(self._message(self._components | forgotten))
            self._announce()
            log.info("home_assistant_components_removed", components=sorted(forgotten))

    def _announce(self) -> None:
        with self._lock:
            self._sent = self._clock()
        self._publish(self.announcement())

    def _publish(self, message: bytes) -> None:
        self._client.publish(self.topic, message, qos=1, retain=True, acknowledged=self._acknowledged)

    def _acknowledged(self, taken: bool) -> None:
        if not taken:
            log.warning("home_assistant_not_told", problem=f"the broker does not let us publish on {self.topic}")


def _announced(payload: bytes) -> dict[str, str]:
    """Platform by name of the components that `payload` announces; none where it is no discovery message."""
    try:
        components = json.loads(payload)["components"]
        return {str(name): str(component["platform"]) for name, component in components.items() if len(component) > 1}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
