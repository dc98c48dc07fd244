"""asdstream run: the daemon."""

import gc
import os
import signal
import threading

import typer

from asdstream import log
from asdstream.cli.options import ConfigOption, config_path, load_config
from asdstream.config import Config
from asdstream.service_manager import ServiceManager


def run(config: ConfigOption = None) -> None:
    """Listen to every configured channel, score each window, publish scores and alarms over MQTT.

    Runs until SIGTERM or SIGINT (Ctrl-C), or until every channel is a finite recording and all of it is scored. SIGHUP
    has configuration and bundle read anew: where anything in them is wrong, the daemon goes on as it was.
    A broker that is away does not keep it from starting: alarms wait on disk until the broker is there.
    """
    from asdstream.daemon import Daemon
    from asdstream.reload import Reload
    from asdstream.store.tenancy import Tenancy

    settings = load_config(config)
    manager = ServiceManager(os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def check(other: Config) -> None:
        if other.store.path != settings.store.path:
            with Tenancy(other.store.path):
                pass
        Daemon(other).close()

    reload = Reload(config_path(config), check, manager)
    signal.signal(signal.SIGHUP, lambda *_: reload.signalled())
    while True:
        log.configure(settings.log.level, settings.log.format)
        with Tenancy(settings.store.path):
            code = Daemon(settings, manager, reload).run(stop)
        replacement = reload.taken()
        if code or stop.is_set() or replacement is None:
            raise typer.Exit(code)
        settings = replacement
        # There is not always room for a third bundle: the daemon that has ended goes before the next one is made.
        gc.collect()
