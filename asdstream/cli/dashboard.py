"""asdstream dashboard: a page with every machine, its alarms and their sounds."""

import os
import signal
import sys
import threading
import time
from typing import Annotated

import typer

from asdstream import config as configuration
from asdstream import log
from asdstream.cli.options import ConfigOption, found_config
from asdstream.config import DashboardConfig, WebSection
from asdstream.errors import AsdstreamError
from asdstream.service_manager import ServiceManager
from asdstream.web.packages import require_packages
from asdstream.wiring import broker_of

LOOK_EVERY_S = 1.0


class DashboardEndedError(AsdstreamError):
    """A thread has ended that never should."""


def dashboard(
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to serve on; web.host when absent.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="web.port when absent; 0: any free one.", show_default=False),
    ] = None,
    new_user: Annotated[
        str | None,
        typer.Option(
            "--new-user",
            metavar="NAME",
            help="Ask for a password, print the line that lets NAME log in, for web.users_file, and end.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve a page with all machines, live scores, alarms to acknowledge and shelve, and the sounds behind them.

    Needs the broker and nothing else: it shows one box or a whole fleet. Of the configuration it takes [mqtt], [web]
    and [log]; without any it looks for a broker on this machine. Runs until SIGTERM or SIGINT (Ctrl-C).
    """
    if new_user is not None:
        _print_user(new_user)
        return
    require_packages()
    from asdstream.web.dashboard import Dashboard

    settings = _settings(config)
    web = settings.web.served_at(host, port)
    log.configure(settings.log.level, settings.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    manager = ServiceManager(os.environ)
    shown = Dashboard(web, broker_of(settings.mqtt))
    address = shown.start()
    manager.ready(f"serving {address}")
    if sys.stdout.isatty():
        typer.echo(f"dashboard: {address}  (Ctrl-C ends it)")
    while shown.alive and not stop.wait(LOOK_EVERY_S):
        if manager.feed_due(time.monotonic()):
            manager.feed(time.monotonic())
    manager.stopping()
    shown.stop()
    if not stop.is_set():
        raise DashboardEndedError("the dashboard ended by itself; the log says why")


def _settings(named: ConfigOption) -> DashboardConfig:
    path = named if named is not None else found_config()
    return DashboardConfig(web=WebSection()) if path is None else configuration.load_dashboard(path)


def _print_user(name: str) -> None:
    from asdstream.web.users import user_line

    if sys.stdin.isatty():
        password = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    typer.echo(user_line(name, password))
