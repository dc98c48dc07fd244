"""`asdstream demo`: a stranger's first two minutes."""

import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from mosquitto_broker import find_program, free_port
from processes import ENVIRONMENT, asdstream

DEMO_SECONDS = 75


@pytest.mark.timeout(180)
def test_the_demo_finds_the_growing_fault_and_nothing_else_and_a_stranger_can_watch_it() -> None:
    port = free_port()
    demo = subprocess.Popen(
        [sys.executable, "-m", "asdstream", "demo", "--seconds", str(DEMO_SECONDS), "--port", str(port)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert demo.stdout is not None
    stdout = demo.stdout
    reader = threading.Thread(target=lambda: lines.extend(stdout), daemon=True)
    reader.start()
    while not any("mosquitto_sub" in line for line in lines):
        assert demo.poll() is None, "".join(lines)
        time.sleep(0.1)
    (shown,) = [line for line in lines if "mosquitto_sub" in line]
    topic = re.search(r"-p (\d+) -v -t '(.*)'", shown)
    assert topic is not None
    assert topic[1] == str(port)
    watching = subprocess.run(
        [find_program("mosquitto_sub"), "-p", topic[1], "-v", "-t", topic[2], "-C", "3", "-W", "30"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "asd.status/1" in watching.stdout
    assert demo.wait(DEMO_SECONDS + 60) == 0, "".join(lines)
    reader.join(5)
    said = "".join(lines)
    assert "gearbox-1: alarm raised" in said
    assert "Every fault raised its alarm, and no healthy machine did." in said
    assert "Traceback" not in said


def test_a_demo_that_ends_before_the_fault_has_begun_does_not_claim_success() -> None:
    done = asdstream("demo", "--seconds", 5, "--port", free_port())
    assert done.returncode == 1
    assert "FAIL: no alarm for gearbox-1" in done.stdout


def test_a_port_that_is_taken_is_named_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = asdstream("demo", "--seconds", 5, "--port", port)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
