"""A new configuration for a daemon that runs: looked at whole before the old one is let go."""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import structlog

from asdstream import config as configuration
from asdstream.alarms.command import CommandRefusedError
from asdstream.config import Config
from asdstream.errors import AsdstreamError
from asdstream.service_manager import ServiceManager

log = structlog.get_logger()


class Reload:
    """Waits for `ask`, and tells the daemon to make room for another once its configuration has been found right.

    `check` looks at everything that a configuration names (its bundle down to the last hash, certificates, sources,
    the store) and raises AsdstreamError for what is wrong. Then the daemon goes on as it is, and the reason is logged,
    told to the service manager and to whoever asked.
    """

    def __init__(self, path: Path, check: Callable[[Config], None], manager: ServiceManager) -> None:
        self._path = path
        self._check = check
        self._manager = manager
        self._lock = threading.Lock()
        self._asked: list[Future[None]] = []
        self._signal_came = False
        self._replacement: Config | None = None

    def ask(self) -> "Future[None]":
        """Have the configuration read at the daemon's next round; from any thread, but not from a signal handler.

        The future ends with CommandRefusedError where something is wrong.
        """
        outcome: Future[None] = Future()
        with self._lock:
            self._asked.append(outcome)
        return outcome

    def signalled(self) -> None:
        """As `ask`, for a signal handler: it takes no lock, which the interrupted thread might hold."""
        self._signal_came = True

    def accepted(self) -> bool:
        """Whether a new configuration is asked for and right: the daemon should end, for another to take its place."""
        with self._lock:
            asked, self._asked = self._asked, []
        if not (asked or self._signal_came):
            return False
        self._signal_came = False
        self._manager.reloading()
        problem = self._read()
        # What was only looked at holds a bundle and refers to itself: the collector might not come by for many reloads.
        gc.collect()
        if problem is not None:
            log.error("reload_refused", problem=problem)
            self._manager.ready("goes on as it was: the new configuration was refused, the log says why")
            for outcome in asked:
                outcome.set_exception(CommandRefusedError(f"the daemon goes on as it was: {problem}"))
            return False
        log.info("reload_accepted", configuration=str(self._path))
        for outcome in asked:
            outcome.set_result(None)
        return True

    def _read(self) -> str | None:
        """What is wrong with the configuration; None where it has become the replacement."""
        try:
            replacement = configuration.load(self._path)
            self._check(replacement)
        except AsdstreamError as error:
            return str(error)
        self._replacement = replacement
        return None

    def taken(self) -> Config | None:
        """The configuration that was accepted, once; None where the daemon ended for another reason."""
        replacement, self._replacement = self._replacement, None
        return replacement
