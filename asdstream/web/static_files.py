"""Scripts and styles: our own, and plotly's JavaScript out of its Python package, so that no network is needed."""

import gzip
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

ROOM = Path(str(resources.files("asdstream.web")))
_REVALIDATE = "no-cache"
"""Kept by the browser, which asks each time whether it is still the same."""


class _OwnFiles(StaticFiles):
    def file_response(self, *arguments: object, **options: object) -> Response:
        response = super().file_response(*arguments, **options)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = _REVALIDATE
        return response


@cache
def _plotly() -> tuple[bytes, bytes, str]:
    """The script, the same compressed, and its ETag; a second of computing and 6 MB, once somebody wants it."""
    plain = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return plain, gzip.compress(plain, 6, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:32]}"'


def _plotly_script(request: Request) -> Response:
    plain, compressed, etag = _plotly()
    headers = {"ETag": etag, "Cache-Control": _REVALIDATE, "Vary": "Accept-Encoding"}
    if etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(compressed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(plain, media_type="text/javascript", headers=headers)


def static_routes() -> list[BaseRoute]:
    """Everything below `/static`, which needs no login: the login page uses it too."""
    return [
        Route("/static/plotly.min.js", _plotly_script),
        Mount("/static", _OwnFiles(directory=ROOM / "static", check_dir=False)),
    ]
