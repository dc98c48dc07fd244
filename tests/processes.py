"""The program as a user runs it: processes, their output, and a subscriber that is not ours."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from mosquitto_broker import MosquittoBroker, find_program
from structlog.testing import capture_logs

from asdstream.cli.app import main

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


PATIENCE_S = 100.0
"""For what comes within seconds, and on a machine that other tests keep busy later; a test has two minutes."""


def asdstream(*arguments: object, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """Run a command of asdstream to its end."""
    return program("asdstream", *arguments, timeout_s=timeout_s)


def program(package: str, *arguments: object, timeout_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """Run the command line of `package` to its end."""
    return subprocess.run(
        [sys.executable, "-m", package, *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def asdstream_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As `asdstream`, within this process, which has loaded it already: for all but what a process alone can show.

    It leaves the log and the signals of this process as they were. An error that is none of a user's is raised.
    """
    return program_here(main, "asdstream", *arguments)


def program_here(main: Callable[[], None], *words: object) -> subprocess.CompletedProcess[str]:
    """As `program`, within this process; the first of `words` is what the program is called."""
    printed, complained = io.StringIO(), io.StringIO()
    code: str | int | None = 0
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        patch.setattr("asdstream.log.configure", lambda *_: None)
        patch.setattr("signal.signal", lambda *_: None)
        patch.setattr("sys.argv", [str(word) for word in words])
        with redirect_stdout(printed), redirect_stderr(complained):
            try:
                main()
            except SystemExit as end:
                code = end.code
    return subprocess.CompletedProcess(list(words), int(code or 0), printed.getvalue(), complained.getvalue())


class DaemonProcess:
    """`asdstream run` in a process of its own; `log` is what it has said so far, one JSON object a line."""

    def __init__(self, config: Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "asdstream", "run", "-c", str(config)],
            env={**ENVIRONMENT, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)

    @property
    def log(self) -> list[dict[str, Any]]:
        # Of one that was killed the last line may be torn.
        return [json.loads(line) for line in list(self.lines) if line.startswith("{") and line.endswith("\n")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that event."""
        return [line for line in self.log if line["event"] == event]

    def wait_for(self, event: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The first log line of that event."""
        wait_until(lambda: bool(self.said(event)) or self._process.poll() is not None, timeout_s)
        if not self.said(event):
            pytest.fail(f"the daemon never said {event}; it said: {''.join(self.lines)}")
        return self.said(event)[0]

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code, once it ends by itself."""
        code = self._process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send it a signal; the exit code, and how many seconds it took to end."""
        begun = time.monotonic()
        self._process.send_signal(number)
        code = self.wait()
        return code, time.monotonic() - begun

    def send(self, number: signal.Signals) -> None:
        """Send it a signal that does not end it."""
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Subscriber:
    """mosquitto_sub on everything below a root but the sound: what a stranger sees of us.

    The broker, which must run, has taken up the subscription when this has been made.
    """

    _numbers = itertools.count()

    def __init__(self, broker: MosquittoBroker, root: str = "asd/v1/#") -> None:
        name = f"stranger-{next(self._numbers)}"
        self._process = subprocess.Popen(
            [
                *(find_program("mosquitto_sub"), "-h", broker.host, "-p", str(broker.port)),
                *("-i", name, "-q", "1", "-t", root, "-T", "asd/v1/+/+/channel/+/audio", "-F", "%t\\t%r\\t%p"),
            ],
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.messages: list[tuple[str, bool, str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert wait_until(lambda: f"Sending SUBACK to {name}\n" in broker.log), broker.log

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # The last line may be torn when it is stopped.
            if line.endswith("\n"):
                topic, retained, payload = line.rstrip("\n").split("\t", 2)
                self.messages.append((topic, retained == "1", payload))

    def seen(self, ending: str) -> list[dict[str, Any]]:
        """Payloads of topics with that ending, in the order in which they came; retained old ones left out."""
        return [json.loads(p) for topic, old, p in list(self.messages) if topic.endswith(ending) and p and not old]

    def stop(self) -> None:
        # Killed: told politely, mosquitto_sub says goodbye from its signal handler, and now and then waits for a lock
        # that it holds itself.
        self._process.kill()
        self._process.wait()


def wait_until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
