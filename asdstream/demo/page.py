"""The dashboard of the demo, served by the demo itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from asdstream.config import WebSection
from asdstream.mqtt.broker import Broker
from asdstream.web.packages import require_packages

ANY_FREE_PORT = 0


@contextmanager
def served_page(broker: Broker) -> Iterator[str]:
    """The address of a page that shows the fleet behind `broker` to this machine alone, while the block runs.

    It is the usual one, or, where something is served there already, another. Raises NotInstalledError where
    the dashboard is not installed.
    """
    require_packages(", or leave it out with --no-dashboard")
    from asdstream.web.dashboard import Dashboard
    from asdstream.web.web_server import WebServerError

    section = WebSection(history=None)
    shown = Dashboard(section, broker)
    try:
        address = shown.start()
    except WebServerError:
        shown.stop()
        shown = Dashboard(section.served_at(None, ANY_FREE_PORT), broker)
        address = shown.start()
    try:
        yield address
    finally:
        shown.stop()
