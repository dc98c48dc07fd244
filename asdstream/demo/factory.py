"""The virtual factory: broker, simulated machines, daemon, dashboard, and a subscriber that shows what is published."""

import json
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import structlog
from rich.console import Console
from rich.live import Live

from asdstream import config as configuration
from asdstream.config import Config, SimulatorSettings
from asdstream.daemon import Daemon
from asdstream.demo.broker import EmbeddedBroker
from asdstream.demo.page import served_page
from asdstream.demo.scoreboard import Scoreboard
from asdstream.demo.view import plain_line, render
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.topics import Topics
from asdstream.wiring import broker_of

log = structlog.get_logger()

REDRAW_S = 0.25
PLAIN_LINE_EVERY_S = 5.0
SUBSCRIBE_WITHIN_S = 10.0


def demo_config(port: int, folder: Path) -> Config:
    """The configuration of the demo, with its broker on `port`, its store and the sound of its alarms in `folder`."""
    text = resources.files("asdstream.demo").joinpath("demo.toml").read_text()
    # The embedded broker knows no other version, and has nothing good to say to a client that tries one.
    text += f'\n[mqtt]\nport = {port}\nprotocol = "3.1.1"\n\n[store]\npath = {json.dumps(str(folder / "demo.db"))}\n'
    return configuration.parse(text, folder / "demo.toml")


def run_factory(
    port: int, seconds: float | None, console: Console, stop: threading.Event, *, dashboard: bool = True
) -> int:
    """Run the factory until `stop` is set or `seconds` have passed; returns the exit code.

    With a `dashboard`, the address of its page is the first thing that is printed. With `seconds`, 0 says
    that every faulty machine's alarm came over MQTT and that no healthy machine raised one.
    """
    with ExitStack() as open_parts:
        folder = open_parts.enter_context(
            tempfile.TemporaryDirectory(prefix="asdstream-demo-", ignore_cleanup_errors=True)
        )
        broker = open_parts.enter_context(EmbeddedBroker(port))
        config = demo_config(broker.port, Path(folder))
        if dashboard:
            address = open_parts.enter_context(served_page(broker_of(config.mqtt)))
            console.print(f"open the page in a browser:  {address}", soft_wrap=True, highlight=False)
        faults = {
            channel.id: channel.source.fault
            for channel in config.channels
            if isinstance(channel.source, SimulatorSettings) and channel.source.fault is not None
        }
        board = Scoreboard(channel.id for channel in config.channels)
        topics = Topics(config.site.name, config.site.node)
        watch = f"mosquitto_sub -h {broker.host} -p {broker.port} -v -t '{topics.root}/#'"
        subscriber = _subscribe(config, topics, board)
        daemon = Daemon(config)
        outcome: list[int] = []
        thread = threading.Thread(target=lambda: outcome.append(daemon.run(stop)), name="daemon", daemon=True)
        thread.start()
        begun = time.monotonic()

        def headline() -> str:
            elapsed = time.monotonic() - begun
            parts = [f"virtual factory, {elapsed:.0f} s"]
            for channel, fault in faults.items():
                if elapsed < fault.start_s:
                    parts.append(f"{channel} develops {fault.kind} in {fault.start_s - elapsed:.0f} s")
                else:
                    grown = min(1.0, (elapsed - fault.start_s) / max(fault.ramp_s, 1e-9)) * fault.severity
                    parts.append(f"{channel} has {fault.kind}, severity {grown:.2f}")
            return " | ".join(parts)

        try:
            _show(console, board, headline, f"watch it from another terminal:  {watch}", thread, seconds, stop)
        finally:
            stop.set()
            thread.join(5.0)
            subscriber.stop()
        if outcome != [0]:
            console.print("The daemon did not stop cleanly; see the log above.")
            return 1
        if seconds is None:
            return 0
        complaint = board.verdict(faults)
        console.print(
            "Every fault raised its alarm, and no healthy machine did." if complaint is None else f"FAIL: {complaint}."
        )
        return int(complaint is not None)


def _subscribe(config: Config, topics: Topics, board: Scoreboard) -> MqttClient:
    """A client of its own, so that what is shown has gone through the broker."""
    client = MqttClient(broker_of(config.mqtt), "asdstream-demo-view")

    def see_event(_topic: str, payload: bytes) -> None:
        board.see_event(json.loads(payload))

    client.subscribe(f"{topics.root}/channel/+/score", lambda _topic, payload: board.see_score(json.loads(payload)))
    client.subscribe(topics.alarm_event, see_event, qos=1)
    client.start()
    client.wait_connected(SUBSCRIBE_WITHIN_S)
    return client


def _show(
    console: Console,
    board: Scoreboard,
    headline: Callable[[], str],
    hint: str,
    daemon: threading.Thread,
    seconds: float | None,
    stop: threading.Event,
) -> None:
    deadline = None if seconds is None else time.monotonic() + seconds

    def going() -> bool:
        return daemon.is_alive() and not stop.is_set() and (deadline is None or time.monotonic() < deadline)

    if console.is_terminal:
        with Live(render(board, headline(), hint), console=console, refresh_per_second=4) as live:
            while going():
                stop.wait(REDRAW_S)
                live.update(render(board, headline(), hint))
        return
    console.print(hint, soft_wrap=True)
    told = 0
    next_line = time.monotonic()
    while going():
        stop.wait(REDRAW_S)
        for line in board.events[told:]:
            console.print(line, soft_wrap=True, markup=False)
            told += 1
        if time.monotonic() >= next_line:
            next_line += PLAIN_LINE_EVERY_S
            console.print(f"{headline()}\n  {plain_line(board)}", soft_wrap=True)
