"""The socket on which systemd would listen to the service."""

import socket
from pathlib import Path


class NotifySocket:
    """At `path`, which NOTIFY_SOCKET should name; `told` is what has come so far, line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self, beginning: str, times: int = 1) -> bool:
        """Whether lines with that beginning have come so often."""
        return self.count(beginning) >= times

    def count(self, beginning: str) -> int:
        """How many lines with that beginning have come."""
        while True:
            try:
                self.told += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return sum(line.startswith(beginning) for line in self.told)

    def close(self) -> None:
        self._socket.close()
