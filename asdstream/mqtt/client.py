"""Our side of the broker: stays connected, or keeps trying and says so once."""

import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from paho.mqtt.client import topic_matches_sub

from asdstream.backoff import backoff_s
from asdstream.mqtt.broker import Broker
from asdstream.mqtt.connection import (
    ANSWER_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    Acknowledged,
    Connection,
    End,
    Ended,
    Listeners,
)
from asdstream.mqtt.presence import Presence
from asdstream.pulse import Pulse

log = structlog.get_logger()

Handler = Callable[[str, bytes], None]
"""Gets topic and payload of one message, on the network thread: it must be quick."""

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 20.0
"""A box that has lost its broker should be back within half a minute of the broker's return."""
_TAKEN_OVER_PAUSE_S = 10.0
"""Two clients of one name would otherwise throw each other out many times a second."""
_SHORT_LIVED_S = 5.0
_SUSPICIOUS = 3
"""Not every broker says that it gave our place to another; so many short connections in a row look like it."""
_SETTLED_S = 60.0
"""A connection that lasted so long ends the suspicion: longer than the other one of our name may wait for its turn."""


@dataclass(slots=True)
class _Subscription:
    handler: Handler
    qos: int
    max_bytes: int
    retained: bool
    failed: bool = False
    oversized: bool = False


class MqttClient:
    """Connects in a thread of its own and, whatever happens to the broker, connects again.

    `problem` is None while connected, else one sentence on why not. `pulse` beats several times a minute at least,
    whether or not there is a broker. Handlers and listeners may raise: that is logged
    and the connection lives on.
    """

    def __init__(self, broker: Broker, client_id: str, presence: Presence | None = None) -> None:
        """Raises `MqttError` when the certificates of `broker` cannot be used."""
        self._broker = broker
        self._client_id = client_id
        self._presence = presence
        self._context: ssl.SSLContext | None = None if broker.tls is None else broker.tls.context()
        self._lock = threading.Lock()
        self._subscriptions: dict[str, _Subscription] = {}
        self._listeners: list[Callable[[Connection | None], None]] = []
        self._connection: Connection | None = None
        self._problem: str | None = f"not connected to the broker at {broker.address} yet"
        self._said: str | None = None
        self._stopping = threading.Event()
        self._first_outcome = threading.Event()
        self.pulse = Pulse()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._versions = ["5", "3.1.1"] if broker.protocol == "auto" else [broker.protocol]
        self._dropped = 0
        self._rejected = 0
        self._connections = 0
        self._refused: frozenset[str] = frozenset()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us; a refused connection is not a connection."""
        connection = self._connection
        return connection is not None and connection.connected

    @property
    def problem(self) -> str | None:
        """Why we are not connected, in one sentence."""
        return None if self.connected else self._problem

    @property
    def protocol(self) -> str | None:
        """The MQTT version in use, "5" or "3.1.1"."""
        connection = self._connection
        return connection.version if connection is not None and connection.connected else None

    @property
    def alive(self) -> bool:
        """Whether the thread that keeps the connection is running."""
        return self._thread.is_alive()

    @property
    def connections(self) -> int:
        """How often the broker has accepted us."""
        return self._connections

    @property
    def refused(self) -> frozenset[str]:
        """What the broker would not let us subscribe to, on the present or latest connection."""
        return self._refused

    @property
    def dropped(self) -> int:
        """Messages that were published while there was no connection, or none that could keep up."""
        return self._dropped

    @property
    def rejected(self) -> int:
        """Messages that were too large, retained where they should not be, or that their handler failed on."""
        return self._rejected

    def subscribe(
        self,
        topic_filter: str,
        handler: Handler,
        *,
        qos: int = 0,
        max_bytes: int = 1_000_000,
        retained: bool = True,
    ) -> None:
        """From the next connection on, and at once on a standing one; larger payloads never reach `handler`.

        Nor do, where not `retained`, those that the broker has kept from before: they come with every connection.
        """
        with self._lock:
            self._subscriptions[topic_filter] = _Subscription(handler, qos, max_bytes, retained)
            connection = self._connection
        if connection is not None and connection.connected:
            connection.subscribe(topic_filter, qos)

    def on_connection(self, listener: Callable[[Connection | None], None]) -> None:
        """Have `listener` told the connection once it stands (after the birth message) and None when it has gone.

        Called on the network thread. Listeners are told in the order in which they were added.
        """
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a broker."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Say farewell, leave, and wait at most `timeout_s` for both."""
        if self._presence is not None and self.connected:
            farewell = self._presence.farewell()
            self.publish_wait(farewell.topic, farewell.payload, retain=farewell.retain, timeout_s=timeout_s / 2)
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            connection.stop()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s / 2)

    def wait_connected(self, timeout_s: float) -> bool:
        """Whether the first attempt, within `timeout_s`, led to a connection; `problem` says why not."""
        self._first_outcome.wait(timeout_s)
        return self.connected

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        acknowledged: Acknowledged | None = None,
    ) -> bool:
        """Publish if there is a connection; False, and counted in `dropped`, where there is none.

        `acknowledged` is called on the network thread with the broker's answer (QoS 1) or once the message is written
        (QoS 0). When the connection goes first it is never called.
        """
        connection = self._connection
        if connection is not None and connection.publish(
            topic, payload, qos=qos, retain=retain, acknowledged=acknowledged
        ):
            return True
        with self._lock:
            self._dropped += 1
        return False

    def publish_wait(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, timeout_s: float = 5.0
    ) -> bool:
        """Publish and wait for the broker's answer; False when it refused or did not answer in time."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("publish_wait on the network thread would wait for itself; use publish there")
        answered = threading.Event()
        answers: list[bool] = []

        def note(taken: bool) -> None:
            answers.append(taken)
            answered.set()

        if not self.publish(topic, payload, qos=qos, retain=retain, acknowledged=note):
            return False
        return answered.wait(timeout_s) and answers[0]

    def _run(self) -> None:
        attempt = short_lived = 0
        fell_back = False
        while not self._stopping.is_set():
            begun = time.monotonic()
            self.pulse.beat()
            try:
                ended = self._one_connection()
            except Exception:
                # Whatever this was, giving up would silence the alarms.
                log.exception("mqtt_attempt_failed_unexpectedly")
                ended = Ended(End.LOST, "the connection to the broker failed unexpectedly", was_connected=False)
            if ended.end is End.STOPPED or self._stopping.is_set():
                return
            if ended.was_connected:
                enough_s = _SETTLED_S if short_lived >= _SUSPICIOUS else _SHORT_LIVED_S
                short_lived = short_lived + 1 if time.monotonic() - begun < enough_s else 0
                # A broker that is being restarted should still find us back within a few seconds.
                attempt, fell_back = short_lived, False
            if ended.end is End.VERSION_REFUSED and len(self._versions) > 1:
                self._versions.reverse()
                if not fell_back:
                    fell_back = True
                    continue
            sentence = ended.sentence
            if ended.end is End.LOST and short_lived >= _SUSPICIOUS:
                sentence += (
                    f" soon after it stood, {_SUSPICIOUS} times or more: is a second client of our name running?"
                )
            self._say(sentence)
            self._first_outcome.set()
            self.pulse.beat()
            pause = _TAKEN_OVER_PAUSE_S if ended.end is End.TAKEN_OVER else 0.0
            self._stopping.wait(
                pause + backoff_s(attempt, first_s=FIRST_RETRY_S, longest_s=LONGEST_RETRY_S, chance=random.random())
            )
            attempt += 1

    def _one_connection(self) -> Ended:
        will = self._presence.begin() if self._presence is not None else None
        version = self._versions[0]
        connection = Connection(
            self._broker,
            version,
            client_id=self._client_id,
            context=self._context,
            will=will,
            answer_within_s=PROBE_TIMEOUT_S if version == "5" and len(self._versions) > 1 else ANSWER_TIMEOUT_S,
            listeners=Listeners(self._greet, self._deliver, self._subscription_refused),
            pulse=self.pulse,
        )
        self._connection = connection
        if self._stopping.is_set():
            connection.stop()
        try:
            ended = connection.run()
        finally:
            self._connection = None
        if ended.was_connected:
            self._problem = ended.sentence
            self._tell(None)
        return ended

    def _say(self, sentence: str) -> None:
        self._problem = sentence
        if sentence != self._said:
            log.warning("mqtt_not_connected", problem=sentence)
        self._said = sentence

    def _greet(self, connection: Connection) -> None:
        self._said = None
        self._connections += 1
        self._refused = frozenset()
        log.info("mqtt_connected", broker=self._broker.address, protocol=connection.version)
        if self._presence is not None:
            birth = self._presence.birth()
            connection.publish(birth.topic, birth.payload, qos=1, retain=birth.retain)
        with self._lock:
            subscriptions = list(self._subscriptions.items())
        for topic_filter, subscription in subscriptions:
            connection.subscribe(topic_filter, subscription.qos)
        self._first_outcome.set()
        self._tell(connection)

    def _tell(self, connection: Connection | None) -> None:
        for listener in list(self._listeners):
            try:
                listener(connection)
            except Exception:
                log.exception("mqtt_connection_listener_failed")

    def _subscription_refused(self, topic_filter: str, sentence: str) -> None:
        self._refused |= {topic_filter}
        log.error("mqtt_subscription_refused", topic=topic_filter, reason=sentence)

    def _deliver(self, topic: str, payload: bytes, retained: bool) -> None:
        with self._lock:
            exact = self._subscriptions.get(topic)
            found = [exact] if exact is not None else []
            found += [
                subscription
                for topic_filter, subscription in self._subscriptions.items()
                if topic_filter != topic and topic_matches_sub(topic_filter, topic)
            ]
        for subscription in found:
            if retained and not subscription.retained:
                self._rejected += 1
                log.warning("mqtt_retained_message_ignored", topic=topic)
                continue
            self._hand_over(subscription, topic, payload)

    def _hand_over(self, subscription: _Subscription, topic: str, payload: bytes) -> None:
        if len(payload) > subscription.max_bytes:
            self._rejected += 1
            if not subscription.oversized:
                subscription.oversized = True
                log.warning("mqtt_message_too_large", topic=topic, size=len(payload), limit=subscription.max_bytes)
            return
        try:
            subscription.handler(topic, payload)
        except Exception:
            self._rejected += 1
            if not subscription.failed:
                subscription.failed = True
                log.exception("mqtt_handler_failed", topic=topic)
