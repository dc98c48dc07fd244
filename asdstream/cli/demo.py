"""asdstream demo: a virtual factory on this machine."""

import signal
import threading
from typing import Annotated

import typer
from rich.console import Console


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="N", help="End after N seconds; exit code 0 if the fault was found and nothing else was."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Loopback port of the demo's own broker.")] = 18830,
    dashboard: Annotated[bool, typer.Option(help="Serve the dashboard, to this machine alone.")] = True,
) -> None:
    """Show it all on this machine, without hardware or network: broker, four simulated machines, daemon, dashboard.

    It begins with the address of the dashboard's page, on port 8300 or, where that is taken, on another. After 25
    seconds one machine develops a fault that grows; its alarm appears on the page, with its sound, on the screen and on
    MQTT. The command line to watch what is published from another terminal is printed. Ctrl-C ends it.
    """
    from asdstream.demo.factory import run_factory

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    raise typer.Exit(run_factory(port, seconds, Console(), stop, dashboard=dashboard))
