"""The dashboard as a whole: a plain subscriber and a web server, started and stopped together."""

from dataclasses import replace

import structlog
from ulid import ULID

from asdstream.config import WebSection
from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient
from asdstream.web.access import Access
from asdstream.web.app import dashboard_app
from asdstream.web.event_stream import EventStream
from asdstream.web.fleet_watch import FleetWatch
from asdstream.web.history import History
from asdstream.web.rate_limit import RateLimit
from asdstream.web.sessions import Sessions
from asdstream.web.topic_address import LARGEST_BYTES
from asdstream.web.users import read_users
from asdstream.web.web_server import WebServer

log = structlog.get_logger()

MORE_CONNECTIONS = 128
"""Besides those that stay open for events."""
STOP_WITHIN_S = 1.8
AT_ONCE = 5
"""So many attempts to log in come before the limit by the minute holds."""


class Dashboard:
    """Shows the fleet behind `broker` as `section` says.

    Raises `ConfigError`, `UsersError`, `HistoryError` or `MqttError` where something that it needs cannot be used.

    Example:
        dashboard = Dashboard(settings.web, broker_of(settings.mqtt))
        address = dashboard.start()
        ...
        dashboard.stop()
    """

    def __init__(self, section: WebSection, broker: Broker) -> None:
        users = None if section.users_file is None else read_users(section.users_file)
        per_second = section.logins_per_minute / 60.0
        logins = RateLimit(per_second, AT_ONCE, all_per_second=10 * per_second, all_burst=10 * AT_ONCE)
        commands = RateLimit(
            section.commands_per_minute / 60.0, 20, all_per_second=section.commands_per_minute / 6.0, all_burst=200
        )
        access = Access(users, section.token(), logins, Sessions(), section.host)
        if section.mqtt_username is not None:
            broker = replace(broker, username=section.mqtt_username, password=section.mqtt_password())
        # The broker need not send what would be refused for its size.
        broker = replace(broker, max_packet_bytes=2 * max(LARGEST_BYTES.values()))
        # Any number of dashboards may look at the same fleet.
        self._client = MqttClient(broker, f"asdstream-dashboard-{ULID()}")
        self._history = History(section.history)
        self._stream = EventStream(section.max_pages)
        self.watch = FleetWatch(self._client, self._history, self._stream, section.site)
        app = dashboard_app(access, self.watch, self._stream, commands, encrypted=section.certificate is not None)
        self._server = WebServer(
            app,
            section.host,
            section.port,
            connections=section.max_pages + MORE_CONNECTIONS,
            what="the dashboard",
            table=section.table,
            certificate=section.certificate,
            elsewhere="with --host and --port or ",
            close_first=self._stream.close,
        )

    @property
    def alive(self) -> bool:
        """Whether both of its threads run."""
        return self._server.alive and self._client.alive

    def start(self) -> str:
        """Begin; the address of the page. A broker that is away does not keep the page from being served.

        Raises `WebServerError` where it cannot be served.
        """
        address = self._server.start()
        self._client.start()
        log.info("dashboard_served", address=address)
        return address

    def stop(self) -> None:
        """End within two seconds."""
        self._server.stop(STOP_WITHIN_S)
        self._client.stop(timeout_s=0.2)
        self._history.close()
