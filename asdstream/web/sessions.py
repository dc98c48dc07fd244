"""Who is logged in: a random token in a cookie, forgotten after a while and when the process ends."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_SESSIONS = 1000
LONGEST_S = 12 * 3600.0
"""A shift and a bit."""


@dataclass(slots=True)
class _Session:
    user: str
    until: float


class Sessions:
    """Only hashes of the tokens are kept. Used on the event loop alone; `clock` is monotonic seconds."""

    def __init__(self, lasting_s: float = LONGEST_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._lasting_s = lasting_s
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def begin(self, user: str) -> str:
        """The token of a new session; the oldest session ends where there are too many."""
        now = self._clock()
        self._sessions = {key: session for key, session in self._sessions.items() if session.until > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        token = secrets.token_urlsafe(32)
        self._sessions[_key(token)] = _Session(user, now + self._lasting_s)
        return token

    def user(self, token: str) -> str | None:
        """Whose session it is; None where it is none, or none any more."""
        session = self._sessions.get(_key(token))
        return session.user if session is not None and session.until > self._clock() else None

    def end(self, token: str) -> None:
        """Log out."""
        self._sessions.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
