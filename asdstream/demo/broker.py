"""A small MQTT broker inside this process, so that the demo needs nothing installed beside it."""

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from typing import Any

from asdstream.errors import AsdstreamError

_START_TIMEOUT_S = 10.0


class DemoBrokerError(AsdstreamError):
    """The embedded broker cannot run here."""


class EmbeddedBroker:
    """amqtt on a loopback port, in a thread of its own: MQTT 3.1.1, without authentication, for this machine only.

    Example:
        with EmbeddedBroker(port=18830) as broker:
            print(broker.host, broker.port)
    """

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo-broker", daemon=True)
        self._broker: Any = None

    def __enter__(self) -> "EmbeddedBroker":
        try:
            from amqtt.broker import Broker
        except ImportError as missing:
            raise DemoBrokerError(
                "The demo needs its embedded broker, which is not installed: pip install 'asdstream[demo]'."
            ) from missing
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as taken:
                raise DemoBrokerError(
                    f"Port {self.port} on {self.host} is taken ({taken.strerror}); choose another with --port."
                ) from taken
        # Its own chatter would run through the live view.
        for name in ("amqtt", "transitions", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        settings = {
            "listeners": {
                "default": {"type": "tcp", "bind": f"{self.host}:{self.port}", "max_connections": 50},
            },
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }

        async def start() -> Any:
            broker = Broker(settings)
            await broker.start()
            return broker

        self._thread.start()
        try:
            self._broker = asyncio.run_coroutine_threadsafe(start(), self._loop).result(_START_TIMEOUT_S)
        except Exception as error:
            self._end()
            raise DemoBrokerError(
                f"The demo's broker did not start on port {self.port}: {str(error) or type(error).__name__}."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        # What a broker that goes away has to say would hide what came of the demo.
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(_START_TIMEOUT_S)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT_S)
