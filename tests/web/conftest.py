"""Dashboards over a broker that only pretends."""

import time
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient
from web_board import Board, StubSubscriber

from asdstream.web.access import Access
from asdstream.web.app import dashboard_app
from asdstream.web.event_stream import EventStream
from asdstream.web.fleet_watch import FleetWatch
from asdstream.web.history import History
from asdstream.web.rate_limit import RateLimit
from asdstream.web.sessions import Sessions
from asdstream.web.users import Users


@pytest.fixture
def make_board() -> Iterator[Callable[..., Board]]:
    """Makes boards, with users or a token or neither."""
    opened: list[TestClient] = []

    def make(users: Users | None = None, token: str | None = None, tries: int = 5, commands: int = 20) -> Board:
        broker, stream = StubSubscriber(), EventStream()
        board: Board
        watch = FleetWatch(broker, History(), stream, clock=lambda: board.now)
        logins = RateLimit(0.1, tries, all_per_second=1.0, all_burst=50)
        access = Access(users, token, logins, Sessions(), "127.0.0.1")
        limit = RateLimit(1.0, commands, all_per_second=100.0, all_burst=1000, clock=time.monotonic)
        page = TestClient(
            dashboard_app(access, watch, stream, limit),
            base_url="http://127.0.0.1:8300",
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        opened.append(page.__enter__())
        board = Board(page, broker, watch)
        return board

    yield make
    for page in opened:
        page.__exit__(None, None, None)


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    """Nobody has to log in, since it is only reached on this machine; nothing was heard yet."""
    return make_board()
