"""A real Mosquitto on a loopback port, to be started, stopped and started again by a test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 10.0


def find_program(name: str) -> str:
    """The path of a Mosquitto program; daemons live in sbin, which is not on everybody's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.fail(
            f"{name} is not installed; `make test` installs it, or: apt-get install mosquitto mosquitto-clients"
        )
    return found


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._process = None

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start on the same port."""
        self.stop(kill=kill)
        self.start()
