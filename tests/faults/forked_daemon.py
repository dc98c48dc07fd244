"""Daemons that start at once, seen from outside: their log, their exit code, their memory and threads."""

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from processes import ENVIRONMENT, wait_until

LAUNCHER = Path(__file__).with_name("launcher.py")
PATIENCE_S = 200.0
"""On a box that is busy with other things everything takes longer; nobody waits for what has come."""


class Launcher:
    """Starts daemons by forking a process that has the program loaded; see `launcher.py`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = folder / "utc_shift"
        self.set_clock(0.0)
        self._process = subprocess.Popen(
            [sys.executable, str(LAUNCHER), str(self._clock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=ENVIRONMENT,
        )
        self._started: queue.Queue[int] = queue.Queue()
        self.codes: dict[int, int] = {}
        self._count = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def set_clock(self, shift_s: float) -> None:
        """Set UTC of every daemon to what it is, plus so many seconds."""
        if not self._clock.exists():
            self._clock.write_bytes(bytes(8))
        with self._clock.open("r+b") as file:
            file.write(struct.pack("<d", shift_s))

    def start(self, config: Path, constants: dict[str, float] | None = None, **environment: str) -> "ForkedDaemon":
        """`constants` replaces numbers of the program that make somebody wait, by their dotted names."""
        assert self._process.stdin is not None
        self._count += 1
        log = self._folder / f"daemon-{self._count}.log"
        order = {"config": str(config), "log": str(log), "environment": environment, "constants": constants or {}}
        self._process.stdin.write(json.dumps(order) + "\n")
        return ForkedDaemon(self, self._started.get(timeout=PATIENCE_S), log)

    def stop(self) -> None:
        """No more daemons; those that run go on."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "code" in told:
                self.codes[told["pid"]] = told["code"]
            else:
                self._started.put(told["pid"])


class ForkedDaemon:
    """One daemon; `log` is what it has said so far."""

    def __init__(self, launcher: Launcher, pid: int, log: Path) -> None:
        self.pid = pid
        self._launcher = launcher
        self._path = log
        self._read = 0
        self._rest = b""
        self._log: list[dict[str, Any]] = []

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._launcher.codes.get(self.pid)

    @property
    def log(self) -> list[dict[str, Any]]:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            self._log += [json.loads(line) if line.startswith(b"{") else {"event": line.decode()} for line in lines]
        return self._log

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that event."""
        return [line for line in self.log if line["event"] == event]

    def wait_for(self, event: str, times: int = 1, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The latest log line of that event, once it was said so often."""
        wait_until(lambda: len(self.said(event)) >= times or self.code is not None, timeout_s)
        if len(self.said(event)) < times:
            pytest.fail(f"the daemon never said {event} {times} times; it said: {self.log[-30:]}")
        return self.said(event)[-1]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What no daemon should ever say: errors, tracebacks, a thread that failed."""
        return [line for line in self.log if line.get("level") in ("error", "critical", None) or "exception" in line]

    @property
    def threads(self) -> int:
        """How many run in it."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def memory_mb(self) -> float:
        """What is resident of it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def wait_for_end(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        assert wait_until(lambda: self.code is not None, timeout_s), f"it does not end: {self.log[-10:]}"
        return self._launcher.codes[self.pid]

    def end(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = PATIENCE_S) -> int:
        """Send it a signal that ends it; its exit code. Nothing happens to one that has ended."""
        if self.code is None:
            self.send(number)
        return self.wait_for_end(timeout_s)
