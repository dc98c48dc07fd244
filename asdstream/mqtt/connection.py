"""One connection to the broker, from the attempt to the end.

paho's own reconnection is not used: every attempt gets a fresh client, so that the will carries the `birth_seq` of
its own connection, the protocol version can change between attempts, and nothing half sent lives on outside the
outbox. No exception leaves a callback, since paho's thread would end with it and nobody would notice.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from asdstream.mqtt.broker import Broker
from asdstream.mqtt.unreachable import unreachable
from asdstream.pulse import Pulse
from asdstream.store.outbox_message import OutboxMessage

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 2.0
"""A broker that does not know MQTT 5 may just say nothing; where 3.1.1 can come next, the wait is short."""
LEAVE_TIMEOUT_S = 1.0
QUEUED_MESSAGES = 1000
"""Messages waiting for a slow link; beyond that QoS 0 messages are dropped and counted, as QoS 0 allows."""
IN_FLIGHT_MESSAGES = 10
"""Of quality of service 1, ahead of their acknowledgement; paho does not heed the broker's own limit, and the usual
brokers allow from 10 (HiveMQ) over 20 (Mosquitto) to 32 (EMQX). More wait inside paho, in order."""
_WHO_ARE_YOU = (134, 135)
"""Bad user name or password, not authorized; which of both a broker says is a matter of its version."""
_UNSUPPORTED_VERSION = 132
_SESSION_TAKEN_OVER = 142
_DISCONNECT = 0xE0
"""How the packet begins in which a broker says why it hangs up; its length follows, then the reason (MQTT 5, 3.14)."""
_UNREAD_BYTES = 1_048_576
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

Acknowledged = Callable[[bool], None]
"""Told once: True when the broker has taken the message, False when it refused it."""


class End(Enum):
    """Why a connection came to its end."""

    STOPPED = auto()
    UNREACHABLE = auto()
    REFUSED = auto()
    VERSION_REFUSED = auto()
    """The broker does not speak this version of MQTT, or seems not to: it said nothing at all."""
    TAKEN_OVER = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a connection and a sentence about it for people."""

    end: End
    sentence: str
    was_connected: bool


@dataclass(frozen=True, slots=True)
class Listeners:
    """Whoever uses the connection; all are called from its thread."""

    connected: Callable[["Connection"], None]
    received: Callable[[str, bytes, bool], None]
    """Topic, payload, and whether the broker had kept it from before we subscribed."""
    subscription_refused: Callable[[str, str], None]


class Connection:
    """A paho client for one connection; `run` blocks until it ends, the rest may be called from any thread."""

    def __init__(
        self,
        broker: Broker,
        version: str,
        *,
        client_id: str,
        context: ssl.SSLContext | None,
        will: OutboxMessage | None,
        answer_within_s: float,
        listeners: Listeners,
        pulse: Pulse,
    ) -> None:
        self.version = version
        self._pulse = pulse
        self._broker = broker
        self._listeners = listeners
        self._answer_within_s = answer_within_s
        self._lock = threading.Lock()
        self._unsettled: dict[int, Acknowledged | None] = {}
        self._settled_early: dict[int, bool] = {}
        self._subscribing: dict[int, str] = {}
        self._connected = False
        self._was_connected = False
        self._leave_by: float | None = None
        self._refusal: Ended | None = None
        self._taken_over = False
        self._hung_up = False
        self._paho = self._client(client_id, context, will)

    def _client(self, client_id: str, context: ssl.SSLContext | None, will: OutboxMessage | None) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self.version == "5" else True,
            protocol=_VERSIONS[self.version],
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(IN_FLIGHT_MESSAGES)
        client.max_queued_messages_set(QUEUED_MESSAGES)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if context is not None:
            client.tls_set_context(context)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        # With this callback set, paho leaves all writing to the thread that runs the loop.
        client.on_socket_register_write = lambda *_: None
        return client

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and has not gone since."""
        return self._connected

    def run(self) -> Ended:
        """Connect and serve the connection until it ends."""
        try:
            return self._run()
        finally:
            self._connected = False
            self._close()

    def stop(self) -> None:
        """Leave on purpose: the broker drops the will."""
        self._leave_by = time.monotonic() + LEAVE_TIMEOUT_S
        self._paho.disconnect()

    def publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, acknowledged: Acknowledged | None = None
    ) -> bool:
        """Hand a message to the connection; False when it cannot take it, and `acknowledged` is then never called."""
        if not self._connected or (qos == 0 and len(self._unsettled) >= QUEUED_MESSAGES):
            return False
        info = self._paho.publish(topic, payload, qos=qos, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        # The acknowledgement may have come before we knew the message's number.
        with self._lock:
            taken = self._settled_early.pop(info.mid, None)
            if taken is None:
                self._unsettled[info.mid] = acknowledged
        if taken is not None and acknowledged is not None:
            acknowledged(taken)
        return True

    def subscribe(self, topic_filter: str, qos: int) -> None:
        """Ask for messages; a refusal is told to the listener."""
        result, mid = self._paho.subscribe(topic_filter, qos)
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
            with self._lock:
                self._subscribing[mid] = topic_filter

    def _run(self) -> Ended:
        address = self._broker.address
        try:
            if self.version == "5":
                properties = Properties(PacketTypes.CONNECT)
                properties.MaximumPacketSize = self._broker.max_packet_bytes
                self._paho.connect(
                    self._broker.host,
                    self._broker.port,
                    self._broker.keepalive_s,
                    clean_start=True,
                    properties=properties,
                )
            else:
                self._paho.connect(self._broker.host, self._broker.port, self._broker.keepalive_s)
        except (OSError, ValueError) as error:
            return self._ended(End.UNREACHABLE, unreachable(error, self._broker, CONNECT_TIMEOUT_S))
        if self._leave_by is None:
            self._serve()
        if self._leave_by is not None:
            return self._ended(End.STOPPED, f"left the broker at {address}")
        if self._refusal is not None:
            return self._refusal
        if self._taken_over:
            return self._ended(
                End.TAKEN_OVER,
                f"the broker at {address} gave our place to another client of the same name: is a second daemon "
                "running for this site and node?",
            )
        if not self._was_connected:
            return self._ended(End.VERSION_REFUSED, _unanswered(self._broker, hung_up=self._hung_up))
        return self._ended(End.LOST, f"the connection to the broker at {address} was lost")

    def _serve(self) -> None:
        answer_by = time.monotonic() + self._answer_within_s
        while self._paho.loop(timeout=0.5) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._pulse.beat()
            if self._refusal is not None:
                return  # not every broker hangs up after a refusal
            deadline = answer_by if self._leave_by is None and not self._was_connected else self._leave_by
            if deadline is not None and time.monotonic() > deadline:
                return
        self._hung_up = True

    def _ended(self, end: End, sentence: str) -> Ended:
        return Ended(end, sentence, self._was_connected)

    def _close(self) -> None:
        open_socket = self._paho.socket()
        if open_socket is not None:
            with contextlib.suppress(OSError):
                open_socket.close()
        with self._lock:
            self._unsettled.clear()

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            end = End.VERSION_REFUSED if reason.value == _UNSUPPORTED_VERSION else End.REFUSED
            self._refusal = self._ended(end, _refused(reason, self._broker))
            return
        self._connected = self._was_connected = True
        try:
            self._listeners.connected(self)
        except Exception:
            log.exception("mqtt_connected_handler_failed")

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._connected = False
        self._taken_over = self._taken_over or reason.value == _SESSION_TAKEN_OVER

    def _on_socket_close(self, _client: paho.Client, _userdata: object, open_socket: object) -> None:
        """When a message cannot be written paho closes at once, although the reason may wait to be read."""
        if self.version != "5" or not isinstance(open_socket, socket.socket):
            return
        with contextlib.suppress(OSError, ValueError):
            open_socket.setblocking(False)
            unread = open_socket.recv(_UNREAD_BYTES)
            last = unread[unread.rfind(_DISCONNECT) :]
            self._taken_over = self._taken_over or last[2:3] == bytes([_SESSION_TAKEN_OVER])

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            self._listeners.received(message.topic, bytes(message.payload), message.retain)
        except Exception:
            # Includes a topic that is not UTF-8; nothing a stranger sends may end this thread.
            log.exception("mqtt_message_not_handled")

    def _on_publish(
        self, _client: paho.Client, _userdata: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        taken = not reason.is_failure
        with self._lock:
            if mid not in self._unsettled:
                self._settled_early[mid] = taken
                return
            acknowledged = self._unsettled.pop(mid)
        if acknowledged is None:
            return
        try:
            acknowledged(taken)
        except Exception:
            log.exception("mqtt_acknowledgement_not_handled")

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        with self._lock:
            topic_filter = self._subscribing.pop(mid, "a subscription")
        for reason in reasons:
            if reason.is_failure:
                try:
                    self._listeners.subscription_refused(topic_filter, str(reason).lower())
                except Exception:
                    log.exception("mqtt_subscription_refusal_not_handled")


def _unanswered(broker: Broker, *, hung_up: bool) -> str:
    """A broker that misses a client certificate says so, if at all, when the handshake is over on our side."""
    if not hung_up:
        return f"whatever listens at {broker.address} does not answer as an MQTT broker does"
    if broker.tls is None:
        return f"whatever listens at {broker.address} hangs up at once: if it expects TLS, add a table mqtt.tls"
    if broker.tls.cert_file is None:
        return (
            f"the broker at {broker.address} hangs up as soon as TLS stands: if it asks for a client certificate, set "
            "mqtt.tls.cert_file and key_file"
        )
    return (
        f"the broker at {broker.address} hangs up as soon as TLS stands: it may not accept the client certificate "
        f"{broker.tls.cert_file}"
    )


def _refused(reason: ReasonCode, broker: Broker) -> str:
    identity = "without a user name" if broker.username is None else f'as user "{broker.username}"'
    sentence = f"the broker at {broker.address} refused the connection {identity}: {str(reason).lower()}"
    if reason.value not in _WHO_ARE_YOU:
        return sentence
    return sentence + ("; set mqtt.username" if broker.username is None else "; check mqtt.password_file")
