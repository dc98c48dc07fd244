"""What stands between a daemon and its broker, and can keep back what one of them says."""

import contextlib
import socket
import threading
from collections.abc import Callable

PUBACK = 4
"""Type of the packet by which the broker says that it has a message of quality of service 1 (MQTT 5, 2.1.2)."""


class Gate:
    """Listens on `port` and hands everything on to the broker at `broker_port` and back.

    While `deaf` the broker hears nothing of the daemon. While `thankless` the broker's acknowledgements are lost: it
    has the messages, but the daemon cannot know. Both can be set at any time.
    """

    def __init__(self, broker_port: int) -> None:
        self.thankless = False
        self._heard = threading.Event()
        self._heard.set()
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def deaf(self) -> bool:
        return not self._heard.is_set()

    @deaf.setter
    def deaf(self, deaf: bool) -> None:
        (self._heard.clear if deaf else self._heard.set)()

    def close(self) -> None:
        self._heard.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                daemon, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port))
                except OSError:
                    daemon.close()
                    continue
                for pump in (self._to_broker, self._to_daemon):
                    threading.Thread(target=self._run, args=(pump, daemon, broker), daemon=True).start()

    def _run(
        self, pump: Callable[[socket.socket, socket.socket], None], daemon: socket.socket, broker: socket.socket
    ) -> None:
        with contextlib.suppress(OSError):
            pump(daemon, broker)
        for side in (daemon, broker):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()

    def _to_broker(self, daemon: socket.socket, broker: socket.socket) -> None:
        while data := daemon.recv(65_536):
            self._heard.wait()
            broker.sendall(data)

    def _to_daemon(self, daemon: socket.socket, broker: socket.socket) -> None:
        with broker.makefile("rb") as words:
            while first := words.read(1):
                packet = bytearray(first)
                length = shift = 0
                while True:
                    digit = words.read(1)[0]
                    packet.append(digit)
                    length |= (digit & 0x7F) << shift
                    shift += 7
                    if digit < 0x80:
                        break
                packet += words.read(length)
                if not (self.thankless and packet[0] >> 4 == PUBACK):
                    daemon.sendall(packet)
