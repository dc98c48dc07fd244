"""The daemon's own small web server: metrics for Prometheus, and whether it is well."""

import hmac
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from asdstream.web.metrics import Metrics
from asdstream.web.readings import NodeReading

log = structlog.get_logger()

CONNECTIONS = 32
"""More at once than any monitoring needs, fewer than would keep the daemon from its work."""
STOP_WITHIN_S = 1.0
_TEXT = "text/plain; version=1.0.0; charset=utf-8"


def monitor_app(metrics: Metrics, read: Callable[[], NodeReading], token: str | None = None) -> Starlette:
    """`/metrics`, `/healthz` and `/readyz`.

    `/healthz` fails (503) when a thread stands still: only a restart helps then. `/readyz` fails when something keeps
    the daemon from its work, such as a broker that is away; the answer says what. With `token`, metrics are given to
    those only who send it as a bearer token; the other two tell nothing that needs one.
    """

    def told(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return PlainTextResponse(
                "Metrics are given to those who send the token of metrics.token_file as a bearer token.\n",
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Response(metrics.text(), media_type=_TEXT)

    def healthy(_request: Request) -> Response:
        still = list(read().still)
        return JSONResponse({"healthy": not still, "standing_still": still}, status_code=503 if still else 200)

    def ready(_request: Request) -> Response:
        reading = read()
        problems = list(reading.problems)
        return JSONResponse({"ready": not problems, "problems": problems}, status_code=503 if problems else 200)

    return Starlette(routes=[Route("/metrics", told), Route("/healthz", healthy), Route("/readyz", ready)])


class Monitor:
    """Serves `app` from a thread of its own. An address that is taken costs the metrics, never an alarm."""

    def __init__(self, app: Starlette, host: str, port: int, certificate: tuple[Path, Path] | None = None) -> None:
        """`certificate` is the files of a certificate and its key (PEM), for HTTPS; port 0 takes any free one."""
        self._host, self._port = host, port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                ssl_certfile=None if certificate is None else str(certificate[0]),
                ssl_keyfile=None if certificate is None else str(certificate[1]),
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> int | None:
        """Begin to serve and return at once: the port, or None, which is logged, where the address cannot be had."""
        try:
            sock = socket.create_server((self._host, self._port), family=_family(self._host))
        except OSError as error:
            log.warning("metrics_not_served", address=f"{self._host}:{self._port}", reason=error.strerror or str(error))
            return None
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="monitor", daemon=True)
        self._thread.start()
        port: int = sock.getsockname()[1]
        return port

    def stop(self) -> None:
        """End, with whatever is being served."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
