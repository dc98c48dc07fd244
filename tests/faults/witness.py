"""A subscriber that misses nothing that the broker hands out: its session is kept, as a control room's should be."""

import contextlib
import json
import threading
import time
from collections import Counter
from typing import Any

from faults.forked_daemon import PATIENCE_S
from faults.journal import Transition
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from processes import wait_until

BELOW = ("event/alarm", "alarm/+/state", "status", "info", "reply/+", "channel/+/score", "channel/+/health")
RETRY_S = 0.02
SESSION_S = 3600
UNLIMITED = 65_535


class Witness:
    """Listens with quality of service 1 to what the daemon says below `root`, and is back at once after a loss.

    `events` are the transitions as they came, duplicates and all; `states` the latest message of every alarm, empty
    for one that is back to normal; `messages` the latest of every other topic; `counts` how many came of each.
    """

    def __init__(self, port: int, root: str) -> None:
        self.events: list[Transition] = []
        self.states: dict[str, bytes] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.connected = threading.Event()
        self._port, self._root = port, root
        self._asked = 0
        self._stopping = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "witness", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self.connected.set()
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_message = self._on_message
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def send(self, topic: str, payload: bytes) -> None:
        """Publish on a full topic, at most once."""
        self._client.publish(topic, payload)

    def ask(self, verb: str, timeout_s: float = PATIENCE_S, **args: object) -> dict[str, Any]:
        """Send the daemon a command; its answer."""
        self._asked += 1
        reply = f"reply/witness-{self._asked}"
        command = {"transaction": f"witness-{self._asked}", "actor": "witness", "args": args}
        self._client.publish(f"{self._root}/cmd/{verb}", json.dumps(command), qos=1)
        assert wait_until(lambda: reply in self.messages, timeout_s), f"{verb} was not answered"
        return self.messages[reply]

    def _listen(self) -> None:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = UNLIMITED
        while not self._stopping.is_set():
            with contextlib.suppress(OSError, ValueError):
                self._client.connect("127.0.0.1", self._port, 60, clean_start=False, properties=properties)
                while self._client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._stopping.is_set():
                    pass
            self.connected.clear()
            time.sleep(RETRY_S)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(f"{self._root}/{below}", paho.SubscribeOptions(qos=1)) for below in BELOW])

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        below = message.topic.removeprefix(f"{self._root}/")
        if below == "event/alarm":
            self.events.append(Transition.of(message.payload))
        elif below.startswith("alarm/"):
            self.states[below.split("/")[1]] = message.payload
        else:
            self.messages[below] = json.loads(message.payload)
        self.counts[below] += 1
