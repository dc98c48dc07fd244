"""The dashboard's side of the broker: a plain subscriber that keeps the fleet, its history, and tells who listens."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from asdstream.mqtt.connection import Connection
from asdstream.mqtt.topics import ROOT
from asdstream.web.asking import Asking, Publisher
from asdstream.web.event_stream import EventStream
from asdstream.web.fleet import EventNews, Fleet, ScoreNews
from asdstream.web.history import Filter, History
from asdstream.web.topic_address import LARGEST_BYTES, read_topic


class Subscriber(Publisher, Protocol):
    """A connection to the broker, such as `MqttClient`."""

    @property
    def refused(self) -> Collection[str]:
        """What the broker would not let us subscribe to."""

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], None], *, qos: int = 0, max_bytes: int = 1_000_000
    ) -> None:
        """Have messages handed over."""

    def on_connection(self, listener: Callable[[Connection | None], None]) -> None:
        """Tell when the connection stands and when it has gone."""


class FleetWatch:
    """Listens to every site, or to `site` alone. May be asked from any thread; messages come on the network thread."""

    def __init__(
        self,
        subscriber: Subscriber,
        history: History,
        stream: EventStream,
        site: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._subscriber = subscriber
        self._history = history
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._fleet = Fleet()
        self._is_connected = False
        self.asking = Asking(subscriber)
        for below, largest in LARGEST_BYTES.items():
            # Scores are many, and one that is lost is followed by the next.
            qos = 0 if below.endswith("score") else 1
            subscriber.subscribe(f"{ROOT}/{site or '+'}/+/{below}", self.hear, qos=qos, max_bytes=largest)
        subscriber.on_connection(self._connection)

    def hear(self, topic: str, payload: bytes) -> None:
        """Take in a message."""
        address = read_topic(topic)
        if address is not None and address.leaf == "reply":
            self.asking.hear(address, payload)
            return
        now = self._clock()
        with self._lock:
            news = self._fleet.hear(topic, payload, now)
        match news:
            case EventNews():
                if self._history.add(news.event, now):
                    self._stream.publish("alarm", news.event)
            case ScoreNews():
                told = {
                    "node": news.node,
                    "channel": news.channel,
                    "score": news.score,
                    "threshold": news.threshold,
                    "at": round(news.at * 1000),
                }
                self._stream.publish("score", told)
            case None:
                pass

    def snapshot(self) -> dict[str, Any]:
        """The fleet as it stands, and whether the broker is there to tell."""
        now = self._clock()
        with self._lock:
            fleet = self._fleet.snapshot(now)
            connected = self._is_connected
        problem = None if connected else self._subscriber.problem
        if connected and self._subscriber.refused:
            refused = ", ".join(sorted(self._subscriber.refused))
            problem = f"the broker does not let the dashboard read {refused}: its account there needs that right"
        return {"broker": {"connected": connected, "problem": problem}, **fleet}

    def scores(self, node: str, channel: str) -> dict[str, Any]:
        """The last hour of a channel."""
        with self._lock:
            return self._fleet.scores(node, channel, self._clock())

    def knows(self, node: str) -> bool:
        """Whether anything was heard of `node`."""
        with self._lock:
            return self._fleet.knows(node)

    def search(self, wanted: Filter, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Past events, newest first, and whether there are more."""
        return self._history.search(wanted, limit)

    def alarm_of_clip(self, node: str, clip: str) -> dict[str, Any] | None:
        """The alarm to which a clip belongs, as it stands or last stood."""
        with self._lock:
            alarm = self._fleet.alarm_of_clip(node, clip)
        return alarm or self._history.alarm_of_clip(node, clip)

    def _connection(self, connection: Connection | None) -> None:
        with self._lock:
            self._is_connected = connection is not None
            if connection is not None:
                self._fleet.connected(self._clock())
            else:
                self._fleet.disconnected()
