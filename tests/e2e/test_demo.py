"""`asdstream demo`: a stranger's first two minutes."""

import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from mosquitto_broker import find_program, free_port
from processes import ENVIRONMENT, asdstream_here
from rich.console import Console

from asdstream.config import Config
from asdstream.demo import factory
from asdstream.demo.scoreboard import Scoreboard

DEMO_SECONDS = 75
WINDOWS = DEMO_SECONDS - 9
FOUND = "Every fault raised its alarm, and no healthy machine did."


@contextmanager
def started_demo(seconds: float) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """The command in a process of its own, and the lines that it has said so far."""
    arguments = [sys.executable, "-m", "asdstream", "demo", "--seconds", str(seconds), "--port", str(free_port())]
    demo = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    assert demo.stdout is not None
    stdout = demo.stdout
    reader = threading.Thread(target=lambda: lines.extend(stdout), daemon=True)
    reader.start()
    try:
        yield demo, lines
    finally:
        demo.kill()
        demo.wait()
        reader.join()


def page_of(said: str) -> str:
    """The address that the demo tells first."""
    address = re.search(r"^open the page in a browser: +(http://127\.0\.0\.1:\d+/)$", said, re.MULTILINE)
    assert address is not None, said
    return address[1]


def asked(address: str) -> Any:
    """What the dashboard answers."""
    with urlopen(address, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def watch_as_it_says(demo: "subprocess.Popen[str]", lines: list[str]) -> str:
    """The first messages that a stranger sees with the command line that the demo prints."""
    while not any("mosquitto_sub" in line for line in lines):
        assert demo.poll() is None, "".join(lines)
        time.sleep(0.1)
    (shown,) = [line for line in lines if "mosquitto_sub" in line]
    topic = re.search(r"-p (\d+) -v -t '(.*)'", shown)
    assert topic is not None
    assert topic[1] == demo.args[-1]  # type: ignore[index]
    watching = subprocess.run(
        [find_program("mosquitto_sub"), "-p", topic[1], "-v", "-t", topic[2], "-C", "3", "-W", "30"],
        capture_output=True,
        text=True,
        check=False,
    )
    return watching.stdout


@pytest.mark.timeout(240)
def test_the_demo_finds_the_growing_fault_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound of the whole demo, as fast as it can be heard; the same in real time is the slow test below."""
    windows: Counter[str] = Counter()
    stop = threading.Event()
    console = Console(file=io.StringIO(), width=200)
    seen: dict[str, Any] = {}

    def look_at_the_page() -> None:
        address = page_of(console.file.getvalue())  # type: ignore[attr-defined]
        seen["fleet"] = asked(f"{address}api/fleet")
        for alarm in seen["fleet"]["alarms"]:
            seen["clip"] = asked(f"{address}api/clip/{alarm['clip']}?node={alarm['node']}")

    class Board(Scoreboard):
        def see_score(self, payload: dict[str, str]) -> None:  # type: ignore[override]
            super().see_score(payload)
            windows[payload["channel"]] += 1
            if len(windows) == 4 and min(windows.values()) >= WINDOWS and not stop.is_set():
                look_at_the_page()
                stop.set()

    def unpaced(port: int, folder: Path) -> Config:
        config = demo_config(port, folder)
        channels = [
            channel.model_copy(update={"source": channel.source.model_copy(update={"realtime": False})})
            for channel in config.channels
        ]
        # With the default, two threads that wait for each other take several times as long on a busy machine.
        engine = config.engine.model_copy(update={"threads": 1})
        return config.model_copy(update={"channels": channels, "engine": engine})

    demo_config = factory.demo_config
    monkeypatch.setattr(factory, "Scoreboard", Board)
    monkeypatch.setattr(factory, "demo_config", unpaced)
    code = factory.run_factory(free_port(), 200.0, console, stop)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert min(windows.values()) >= WINDOWS, "every machine was heard as long as in the demo"
    assert "gearbox-1: alarm raised" in said
    assert FOUND in said
    assert code == 0
    machines = {machine["machine"]: machine["channels"][0] for machine in seen["fleet"]["machines"]}
    assert {name: channel["state"] for name, channel in machines.items()} == {
        "fan-1": "normal",
        "gearbox-1": "alarm",
        "pump-1": "normal",
        "valve-1": "normal",
    }
    assert all(channel["score"] > 0.0 for channel in machines.values())
    assert "energy" in seen["clip"]["sentence"]
    assert all(seen["clip"][part]["mel"] for part in ("alarm", "reference", "difference"))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_finds_the_same_in_real_time() -> None:
    with started_demo(DEMO_SECONDS) as (demo, lines):
        assert "asd.status/1" in watch_as_it_says(demo, lines)
        assert demo.wait(DEMO_SECONDS + 60) == 0, "".join(lines)
    said = "".join(lines)
    assert "gearbox-1: alarm raised" in said
    assert FOUND in said
    assert "Traceback" not in said


@pytest.mark.alone
def test_a_stranger_can_watch_and_a_demo_that_ends_before_the_fault_has_begun_does_not_claim_success() -> None:
    with started_demo(6) as (demo, lines):
        assert "asd.status/1" in watch_as_it_says(demo, lines)
        fleet = asked(f"{page_of(lines[0])}api/fleet")
        assert demo.wait(60) == 1
    said = "".join(lines)
    assert fleet["broker"]["connected"]
    assert "FAIL: no alarm for gearbox-1" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = asdstream_here("demo", "--seconds", 5, "--port", port)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
