"""asdstream run: the daemon."""

import signal
import threading

import typer

from asdstream import log
from asdstream.cli.options import ConfigOption, load_config


def run(config: ConfigOption = None) -> None:
    """Listen to every configured channel, score each window, publish scores and alarms over MQTT.

    Runs until SIGTERM or SIGINT (Ctrl-C), or until every channel is a finite recording and all of it is scored.
    A broker that is away does not keep it from starting: alarms wait on disk until the broker is there.
    """
    from asdstream.daemon import Daemon

    settings = load_config(config)
    log.configure(settings.log.level, settings.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    raise typer.Exit(Daemon(settings).run(stop))
