"""Serves a web application from a thread of its own, on a socket that is had before anything begins."""

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from asdstream.errors import AsdstreamError


class WebServerError(AsdstreamError):
    """The address or the certificate cannot be used."""


class WebServer:
    """Serves `app`, which logs its failures itself.

    Args:
        app: what is served.
        host: name or address to serve on.
        port: 0 takes any free one.
        connections: more at once are refused.
        what: how an error names what is served.
        table: of the configuration, to which `host`, `port` and the certificate belong.
        certificate: the files of a certificate and its key (PEM), for HTTPS.
        elsewhere: besides the table, where another address is chosen.
        close_first: called before the server is ended: it closes what would stay open.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        *,
        connections: int,
        what: str,
        table: str,
        certificate: tuple[Path, Path] | None = None,
        elsewhere: str = "",
        close_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._host, self._port = host, port
        self._what, self._table, self._elsewhere = what, table, elsewhere
        self._certificate = certificate
        self._close_first = close_first
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
                limit_concurrency=connections,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                ssl_certfile=certificate_file,
                ssl_keyfile=key_file,
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Begin to serve and return at once: the address, such as `http://127.0.0.1:8300/`. Raises WebServerError."""
        if self._certificate is not None:
            self._check(*self._certificate)
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listening = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            raise WebServerError(
                f"{self._what} cannot be served at {self._host}:{self._port}: "
                f"{(error.strerror or str(error)).lower()}; choose another {self._elsewhere}in [{self._table}]"
            ) from None
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name=self._table, daemon=True)
        self._thread.start()
        scheme = "http" if self._certificate is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{listening.getsockname()[1]}/"

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, within_s: float) -> None:
        """End, with whatever is being served; return after `within_s` seconds at the latest."""
        self._close_first()
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(within_s)

    def _check(self, certificate: Path, key: Path) -> None:
        try:
            # An empty passphrase, since a service has nobody to ask for one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) else str(error)
            raise WebServerError(
                f"{self._table}.cert_file and {self._table}.key_file: {certificate} and {key} are no certificate with "
                f"its key in PEM form, without a passphrase: {(reason or str(error)).replace('_', ' ').lower()}"
            ) from None
