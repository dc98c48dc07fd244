"""A real Mosquitto on a loopback port, to be started, stopped and started again by a test."""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 60.0
PORTS = range(20_000, 30_000)
"""None that the kernel gives to connections, or to whoever asks for any, between our choice and its use."""
_locks: list[int] = []
"""Of the ports that this process has taken."""


def find_program(name: str) -> str:
    """The path of a Mosquitto program; daemons live in sbin, which is not on everybody's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.fail(
            f"{name} is not installed; `make test` installs it, or: apt-get install mosquitto mosquitto-clients"
        )
    return found


def claimed(port: int) -> bool:
    """Take a loopback port to the end of this process; False where somebody listens on it or a test has it already."""
    locks = Path(tempfile.gettempdir()) / f"asdstream-test-ports-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    lock = os.open(locks / str(port), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        os.close(lock)
        return False
    _locks.append(lock)
    return True


def free_port() -> int:
    """A loopback port that nobody listens on, and that no other test, of this process or beside it, is given."""
    # Each process begins elsewhere, so that it need not try what others hold.
    first = os.getpid() * 61 % len(PORTS)
    port = next((port for port in (*PORTS[first:], *PORTS[:first]) if claimed(port)), None)
    if port is None:
        pytest.fail(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")
    return port


class MosquittoBroker:
    """Anonymous and without persistence unless told otherwise; `settings` are further lines of its configuration."""

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        settings: Sequence[str] = (),
        *,
        allow_anonymous: bool = True,
        persistence: bool = False,
    ) -> None:
        self.port = free_port()
        self._program = find_program("mosquitto")
        self._configuration = folder / f"mosquitto-{self.port}.conf"
        self._log = folder / f"mosquitto-{self.port}.log"
        lines = [
            f"listener {self.port} {self.host}",
            f"allow_anonymous {str(allow_anonymous).lower()}",
            f"persistence {str(persistence).lower()}",
            *settings,
        ]
        if os.geteuid() == 0:
            # It would otherwise change to a user who may not read the test's folder.
            lines.append("user root")
        if persistence:
            lines.append(f"persistence_location {folder}/")
        self._configuration.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._configuration), "-v"], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running:
            try:
                socket.create_connection((self.host, self.port), 1.0).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.stop()
        pytest.fail(f"Mosquitto did not come up: {self.log}")

    def stop(self, *, kill: bool = False) -> None:
        """End it, politely or not; nothing happens when it is not running."""
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start on the same port."""
        self.stop(kill=kill)
        self.start()
