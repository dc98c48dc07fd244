"""Serves the dashboard from a thread of its own, on a socket that is had before anything begins."""

import socket
import ssl
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from asdstream.errors import AsdstreamError
from asdstream.web.event_stream import EventStream

MORE_CONNECTIONS = 128
"""Besides those that stay open for events."""
STOP_WITHIN_S = 1.8


class WebServerError(AsdstreamError):
    """The address or the certificate cannot be used."""


class WebServer:
    """`stream` is what stays open in the pages; it is ended first. Port 0 takes any free one."""

    def __init__(
        self,
        app: Starlette,
        stream: EventStream,
        host: str,
        port: int,
        pages: int,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._stream = stream
        self._host, self._port = host, port
        self._certificate = certificate
        certificate_file, key_file = certificate or (None, None)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                # Whoever sits behind a proxy could otherwise choose the address that its attempts are counted under.
                proxy_headers=False,
                ws="none",
                limit_concurrency=pages + MORE_CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                ssl_certfile=certificate_file,
                ssl_keyfile=key_file,
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Begin to serve and return at once: the page's address. Raises WebServerError."""
        if self._certificate is not None:
            _check(*self._certificate)
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listening = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            raise WebServerError(
                f"the dashboard cannot be served at {self._host}:{self._port}: "
                f"{(error.strerror or str(error)).lower()}; choose another with --host and --port or in [web]"
            ) from None
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="web", daemon=True)
        self._thread.start()
        scheme = "http" if self._certificate is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{listening.getsockname()[1]}/"

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End every stream of events, then the rest."""
        self._stream.close()
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)


def _check(certificate: Path, key: Path) -> None:
    try:
        # An empty passphrase, since a service has nobody to ask for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
        raise WebServerError(
            f"web.cert_file and web.key_file: {certificate} and {key} are no certificate with its key in PEM form, "
            f"without a passphrase: {(reason or str(error)).replace('_', ' ').lower()}"
        ) from None
