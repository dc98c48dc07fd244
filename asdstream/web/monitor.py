"""The daemon's own small web server: metrics for Prometheus, and whether it is well."""

import hmac
from collections.abc import Callable
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from asdstream.web.metrics import Metrics
from asdstream.web.readings import NodeReading
from asdstream.web.web_server import WebServer, WebServerError

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

    return Starlette(
        routes=[Route("/metrics", told), Route("/healthz", healthy), Route("/readyz", ready)],
        exception_handlers={Exception: _failed},
    )


class Monitor:
    """Serves `monitor_app` at `host`, `port` and with `certificate` as of `WebServer`.

    An address or a certificate that cannot be used costs the metrics, never an alarm.
    """

    def __init__(
        self,
        metrics: Metrics,
        read: Callable[[], NodeReading],
        host: str,
        port: int,
        certificate: tuple[Path, Path] | None = None,
        token: str | None = None,
    ) -> None:
        self.metrics = metrics
        app = monitor_app(metrics, read, token)
        self._server = WebServer(
            app, host, port, connections=CONNECTIONS, what="the metrics", table="metrics", certificate=certificate
        )

    def start(self) -> str | None:
        """Begin to serve and return at once: the address, or None, which is logged, where it cannot be served."""
        try:
            return self._server.start()
        except WebServerError as error:
            log.warning("metrics_not_served", problem=str(error))
            return None

    def stop(self) -> None:
        """End, with whatever is being served."""
        self._server.stop(STOP_WITHIN_S)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("metrics_request_failed", path=request.url.path, exc_info=error)
    return PlainTextResponse("That went wrong; the log of the daemon says why.\n", status_code=500)
