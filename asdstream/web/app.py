"""The dashboard put together: page, API and events over what the fleet watch knows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from asdstream.web.access import Access
from asdstream.web.api import Api
from asdstream.web.clips import Clips
from asdstream.web.event_stream import EventStream
from asdstream.web.fleet_watch import FleetWatch
from asdstream.web.pages import Pages
from asdstream.web.rate_limit import RateLimit
from asdstream.web.security_headers import SecurityHeaders
from asdstream.web.static_files import static_routes

log = structlog.get_logger()

FLEET_EVERY_S = 1.0


def dashboard_app(
    access: Access, watch: FleetWatch, stream: EventStream, commands: RateLimit, *, encrypted: bool = False
) -> Starlette:
    """The web application. `commands` limits how often each user may have something done."""
    # A node gives two parts of clips a second, and whoever looks at an alarm asks for both.
    sounds = RateLimit(1.0, 10, all_per_second=4.0, all_burst=20)
    api = Api(access, watch, Clips(watch.asking, watch), stream, commands, sounds)
    pages = Pages(access, encrypted=encrypted)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        telling = asyncio.create_task(tell_of_changes(watch, stream))
        try:
            yield
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    return Starlette(
        routes=[*pages.routes(), *api.routes(), *static_routes()],
        middleware=[Middleware(SecurityHeaders, encrypted=encrypted)],
        exception_handlers={HTTPException: _told, Exception: _failed},
        lifespan=lifespan,
    )


async def tell_of_changes(watch: FleetWatch, stream: EventStream, every_s: float = FLEET_EVERY_S) -> None:
    """Send the fleet to every listener when it has changed, in other things than scores, which have their own event."""
    told: dict[str, Any] | None = None
    while True:
        await asyncio.sleep(every_s)
        if stream.listeners == 0:
            told = None
            continue
        try:
            fleet = watch.snapshot()
            lasting = _without_scores(fleet)
            if lasting != told:
                stream.publish("fleet", fleet)
                told = lasting
        except Exception:
            # Without this the pages would stand still, and look as if all were well.
            log.exception("dashboard_fleet_not_told")


def _without_scores(fleet: dict[str, Any]) -> dict[str, Any]:
    machines = [
        {
            **machine,
            "channels": [
                {name: value for name, value in channel.items() if name not in ("score", "scored_at")}
                for channel in machine["channels"]
            ],
        }
        for machine in fleet["machines"]
    ]
    return {**fleet, "now": None, "machines": machines}


async def _told(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "that went wrong"
    return JSONResponse({"error": detail}, status)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("dashboard_request_failed", path=request.url.path, exc_info=error)
    return JSONResponse({"error": "that went wrong; the log of the dashboard says why"}, 500)
