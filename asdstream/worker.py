"""Threads that live and die together: when one fails, all stop, and the reason is kept."""

import threading
import time
from collections.abc import Callable

import structlog

from asdstream.pulse import Pulse

log = structlog.get_logger()

IDLE_S = 0.1
"""The longest a step may wait for work before it gives the stop signal a chance."""


class Crew:
    """Runs each stage of the daemon in a thread of its own until `stop` is set.

    A stage is a function that does one bounded piece of work and returns; it is called again and again. An exception
    in one sets `stop` for all and becomes `failure`, so that the process ends with a reason instead of standing still.

    Example:
        crew = Crew()
        crew.hire("capture", capture_step)
        crew.stop.wait()
        left = crew.dismiss(timeout_s=3.0)
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.failure: str | None = None
        self._threads: list[threading.Thread] = []
        self._pulses: dict[str, Pulse] = {}

    def hire(self, name: str, step: Callable[[], None]) -> None:
        """Start a thread called `name` that calls `step` over and over."""
        pulse = self._pulses[name] = Pulse()
        thread = threading.Thread(target=self._work, args=(name, step, pulse), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def still(self, longer_than_s: float) -> list[str]:
        """The names of those whose step has not come to its end for so many seconds."""
        return [name for name, pulse in self._pulses.items() if pulse.still_s > longer_than_s]

    def dismiss(self, timeout_s: float) -> list[str]:
        """Tell every stage to stop and wait at most `timeout_s` in all; returns the names of those still at work."""
        self.stop.set()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _work(self, name: str, step: Callable[[], None], pulse: Pulse) -> None:
        try:
            while not self.stop.is_set():
                step()
                pulse.beat()
        except BaseException as error:  # A panic of a Rust library is no Exception, and would end this thread alone.
            if self.failure is None:
                self.failure = f"the {name} worker failed: {type(error).__name__}: {error}"
            log.exception("worker_failed", worker=name)
            self.stop.set()
