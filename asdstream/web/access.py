"""Who may use the dashboard: users with passwords, whoever knows the token, or, with neither, this machine alone."""

import asyncio
import hmac
from urllib.parse import urlsplit

import structlog
from starlette.requests import HTTPConnection

from asdstream.errors import AsdstreamError
from asdstream.web.rate_limit import RateLimit
from asdstream.web.sessions import Sessions
from asdstream.web.users import Users

log = structlog.get_logger()

COOKIE = "asdstream_session"
LOCAL_ACTOR = "local"
"""Who acts where nobody has to log in."""
TOKEN_ACTOR = "dashboard"  # noqa: S105
TRIES_AT_ONCE = 2
"""Each try at a password takes 32 MiB."""


class LoginRefusedError(AsdstreamError):
    """Who this is is not known; `status` is the answer's."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Access:
    """Used on the event loop. `host` is what the server is bound to, which may be asked for by that name."""

    def __init__(
        self, users: Users | None, token: str | None, logins: RateLimit, sessions: Sessions, host: str = "127.0.0.1"
    ) -> None:
        self._users = users
        self._token = token
        self._logins = logins
        self._sessions = sessions
        self._tries = asyncio.Semaphore(TRIES_AT_ONCE)
        self._own_names = {"localhost", "127.0.0.1", "::1", host}

    @property
    def by_password(self) -> bool:
        """Whether there are users with passwords."""
        return self._users is not None

    @property
    def by_token(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    @property
    def is_open(self) -> bool:
        """Whether nobody has to log in."""
        return self._users is None and self._token is None

    def user(self, request: HTTPConnection) -> str | None:
        """Who asks; None for somebody who has not logged in."""
        if self.is_open:
            # A foreign page can have its own name lead to this machine, but its name stays in the request.
            return LOCAL_ACTOR if _host(request) in self._own_names else None
        return self._sessions.user(request.cookies.get(COOKIE, ""))

    async def login(self, address: str, name: str, password: str, token: str) -> str:
        """A new session for whoever knows a password or the token. Raises LoginRefusedError."""
        if not self._logins.take(address):
            raise LoginRefusedError("too many attempts; wait a minute and try again", 429)
        user = await self._who(name, password, token)
        if user is None:
            log.warning("dashboard_login_refused", address=address)
            raise LoginRefusedError("that is not known here", 403)
        log.info("dashboard_login", user=user, address=address)
        return self._sessions.begin(user)

    def logout(self, request: HTTPConnection) -> None:
        """End the session of `request`."""
        self._sessions.end(request.cookies.get(COOKIE, ""))

    async def _who(self, name: str, password: str, token: str) -> str | None:
        if token:
            known = self._token is not None and hmac.compare_digest(token.encode(), self._token.encode())
            return TOKEN_ACTOR if known else None
        if self._users is None:
            return None
        async with self._tries:
            fits = await asyncio.to_thread(self._users.fits, name, password)
        return name if fits else None


def from_own_page(request: HTTPConnection) -> bool:
    """Whether a request that changes something comes from a page of ours, as far as the browser says."""
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _host(request: HTTPConnection) -> str | None:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return None
