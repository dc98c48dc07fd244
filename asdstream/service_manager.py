"""What systemd is told about the service: sd_notify(3), in datagrams to a socket whose name it gives."""

import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

FEEDS_PER_LIMIT = 3.0
"""sd_watchdog_enabled(3) recommends at least two signs of life within the limit."""
RELOAD_LIMIT_S = 300.0
"""As long as the unit gives a start: a reload reads the same networks and tries them, and gives no sign meanwhile."""


class ServiceManager:
    """Tells the service manager that started this process how it is; does nothing where there is none.

    What cannot be delivered is logged once: a service that works must not end because nobody listens.

    Example:
        manager = ServiceManager(os.environ)
        manager.ready("2 channels")
        if manager.feed_due(now) and all_is_well:
            manager.feed(now)
    """

    def __init__(self, environment: Mapping[str, str], pid: int | None = None) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._limit_s = _watchdog_limit_s(environment, os.getpid() if pid is None else pid)
        self._fed_at = float("-inf")
        self._complained = False

    @property
    def watchdog_s(self) -> float | None:
        """Seconds without a sign of life after which the service is ended; None where nobody waits for one."""
        return self._limit_s

    def ready(self, status: str) -> None:
        """The service does its work. Also ends what `reloading` began."""
        self._tell("READY=1", f"STATUS={status}", *self._expected_within(self._limit_s))

    def reloading(self) -> None:
        """A new configuration is being looked at; `ready` follows whatever becomes of it.

        Until then the next sign of life is expected within 5 min, since the watchdog goes on while a service reloads.
        """
        self._tell(
            "RELOADING=1",
            f"MONOTONIC_USEC={time.monotonic_ns() // 1000}",
            *self._expected_within(RELOAD_LIMIT_S),
        )

    def stopping(self) -> None:
        """The service has begun to shut down."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(f"STATUS={text}")

    def feed_due(self, now: float) -> bool:
        """Whether a sign of life is due at the monotonic second `now`."""
        return self._limit_s is not None and now - self._fed_at >= self._limit_s / FEEDS_PER_LIMIT

    def feed(self, now: float) -> None:
        """Give a sign of life."""
        self._fed_at = now
        self._tell("WATCHDOG=1")

    def _expected_within(self, limit_s: float | None) -> list[str]:
        """Changes the limit of the watchdog, where there is one (sd_notify(3), WATCHDOG_USEC)."""
        if self._limit_s is None or limit_s is None:
            return []
        return [f"WATCHDOG_USEC={round(max(limit_s, self._limit_s) * 1e6)}"]

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" stands for the zero byte of the abstract name space.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("service_manager_unreachable", socket=self._address, problem=error.strerror)


def _watchdog_limit_s(environment: Mapping[str, str], pid: int) -> float | None:
    """What sd_watchdog_enabled(3) says; None where the limit is meant for another process or makes no sense."""
    limit, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    if not limit.isdecimal() or int(limit) == 0 or of != str(pid):
        return None
    return int(limit) / 1e6
