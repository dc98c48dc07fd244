"""The page itself, and the way in: login and logout."""

from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from asdstream import __version__
from asdstream.web.access import COOKIE, Access, LoginRefusedError, from_own_page
from asdstream.web.sessions import LONGEST_S
from asdstream.web.small_body import small_body
from asdstream.web.static_files import ROOM

_SEE_OTHER = 303


class Pages:
    """What a browser is shown; `encrypted` says that it comes over TLS."""

    def __init__(self, access: Access, *, encrypted: bool) -> None:
        self._access = access
        self._encrypted = encrypted
        self._templates = Environment(
            loader=FileSystemLoader(ROOM / "templates"), autoescape=True, undefined=StrictUndefined
        )

    def routes(self) -> list[BaseRoute]:
        """`/`, `/login` and `/logout`."""
        return [
            Route("/", self._page, methods=["GET"]),
            Route("/login", self._login_page, methods=["GET"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        user = self._access.user(request)
        if user is None:
            return self._stranger()
        return self._render("page.html", user=user, login=not self._access.is_open)

    def _stranger(self) -> Response:
        if self._access.is_open:
            return HTMLResponse("Without users or a token, the dashboard is only shown as localhost.", 403)
        return RedirectResponse("/login", _SEE_OTHER)

    async def _login_page(self, request: Request) -> Response:
        if self._access.is_open or self._access.user(request) is not None:
            return RedirectResponse("/", _SEE_OTHER)
        return self._login_form(None, 200)

    async def _login(self, request: Request) -> Response:
        if not from_own_page(request):
            return self._login_form("log in from this page", 403)
        body = await small_body(request)
        try:
            given = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
        except ValueError:
            return self._login_form("that cannot be read", 400)
        fields = {name: values[0] for name, values in given.items()}
        address = "unknown" if request.client is None else request.client.host
        try:
            token = await self._access.login(
                address, fields.get("user", "").strip(), fields.get("password", ""), fields.get("token", "").strip()
            )
        except LoginRefusedError as error:
            return self._login_form(str(error), error.status)
        response = RedirectResponse("/", _SEE_OTHER)
        response.set_cookie(
            COOKIE, token, max_age=int(LONGEST_S), httponly=True, samesite="strict", secure=self._encrypted
        )
        return response

    async def _logout(self, request: Request) -> Response:
        if not from_own_page(request):
            return RedirectResponse("/", _SEE_OTHER)
        self._access.logout(request)
        response = RedirectResponse("/login", _SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._encrypted)
        return response

    def _login_form(self, error: str | None, status: int) -> Response:
        access = self._access
        return self._render("login.html", status, users=access.by_password, token=access.by_token, error=error)

    def _render(self, template: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(version=__version__, **values), status)
