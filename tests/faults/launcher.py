"""A program that has loaded asdstream and forks a daemon whenever it is told to: loading takes seconds, a fork none.

What it forks is `asdstream run` as the command line starts it, a process of its own that can be killed like any other.
Its UTC clock can be set: it reads `time.time` plus the seconds that stand in a shared file, which nothing in the
program knows of. Reads one JSON object a line: {"config", "log", "environment", "constants"}; says
{"pid"} for each that it has started, and {"pid", "code"} for each that has ended, as waitpid tells it.
"""

import importlib
import json
import mmap
import os
import select
import struct
import sys
import time
from pathlib import Path
from typing import Any

PROGRAM = (
    "asdstream.cli.app",
    "asdstream.daemon",
    "asdstream.reload",
    "asdstream.engine.embedder",
    "asdstream.scoring.scorer",
)


def shift_the_clock(path: Path) -> None:
    """From now on UTC is what this process is told, plus the float64 in the file at `path`."""
    with path.open("rb") as file:
        shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + struct.unpack("<d", shift[:8])[0]
    time.time_ns = lambda: real_ns() + int(struct.unpack("<d", shift[:8])[0] * 1e9)


def become_a_daemon(order: dict[str, Any]) -> None:
    """Never returns."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.environ.update(order["environment"])
    for name, value in order["constants"].items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    sys.argv = ["asdstream", "run", "-c", order["config"]]
    code: object = 1
    try:
        importlib.import_module("asdstream.cli.app").main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def say(**told: int) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(clock: Path) -> None:
    # Before the program is loaded: it takes the clock along in the defaults of its functions.
    shift_the_clock(clock)
    for module in PROGRAM:
        importlib.import_module(module)
    while True:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0.02)
        if readable:
            line = os.read(sys.stdin.fileno(), 65_536)
            if not line:
                return
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                become_a_daemon(order)
            say(pid=pid)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            say(pid=pid, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
