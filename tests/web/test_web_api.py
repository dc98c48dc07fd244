import json
from collections.abc import Callable
from typing import Any

import pytest
from fake_fleet import CHANNELS, CLIP, KEY, Message, alarm, alarm_state, event, health, info, status
from web_board import NOW, Board

from asdstream.mqtt.payloads import utc_text
from asdstream.web import asking, users
from asdstream.web.history import MOST_AT_ONCE
from asdstream.web.users import Users, read_users, user_line

OWN = {"X-Requested-With": "asdstream"}
ACK = {"node": KEY, "verb": "ack", "args": {"alarm_id": "pump-1.anomaly"}}


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Users:
    """One user, whose password is quick to try."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_LOG_N", 10)
        path = tmp_path_factory.mktemp("users") / "users"
        path.write_text(user_line("ann", "correct horse") + "\n")
    return read_users(path)


def answering(board: Board, status: str = "ok", **changes: object) -> None:
    """Have every command answered."""

    def answer(topic: str, payload: bytes) -> None:
        transaction = json.loads(payload)["transaction"]
        reply = {"schema": "asd.reply/1", "ts": utc_text(NOW), "transaction": transaction, "status": status}
        content = {**reply, "error": None, "data": {"done": True}, **changes}
        board.broker.say(Message(f"asd/v1/{KEY}/reply/{transaction}", json.dumps(content).encode()))

    board.broker.answer = answer


def test_the_fleet_is_given_as_it_stands(board: Board) -> None:
    board.show_fake_fleet()
    fleet = board.fleet()
    assert fleet["broker"] == {"connected": True, "problem": None}
    assert fleet["now"] == utc_text(NOW)
    assert [machine["machine"] for machine in fleet["machines"]][:2] == ["sprayer-1", "fan-1"]
    assert set(fleet) == {"now", "nodes", "machines", "alarms", "left_out", "broker", "user"}
    assert set(fleet["machines"][1]["channels"][0]) >= {
        *("channel", "state", "score", "threshold", "scored_at", "level_dbfs", "problem"),
    }


def test_a_broker_that_is_away_is_said_and_no_machine_reads_normal(board: Board) -> None:
    assert board.fleet()["broker"]["problem"] == "no broker listens at 127.0.0.1:1883"
    board.show_fake_fleet()
    board.broker.disconnect()
    fleet = board.fleet()
    assert fleet["broker"] == {"connected": False, "problem": "the connection to the broker at 127.0.0.1:1883 was lost"}
    assert {one["state"] for machine in fleet["machines"] for one in machine["channels"]} == {"unknown"}


def test_a_broker_that_does_not_let_us_read_is_said(board: Board) -> None:
    board.broker.connect()
    board.broker.refused = frozenset({"asd/v1/+/+/status"})
    assert board.fleet()["broker"]["problem"] == (
        "the broker does not let the dashboard read asd/v1/+/+/status: its account there needs that right"
    )


def test_the_broker_is_asked_for_everything_but_sound(board: Board) -> None:
    assert sorted(board.broker.filters) == [
        "asd/v1/+/+/alarm/+/state",
        "asd/v1/+/+/channel/+/health",
        "asd/v1/+/+/channel/+/score",
        "asd/v1/+/+/event/alarm",
        "asd/v1/+/+/info",
        "asd/v1/+/+/reply/+",
        "asd/v1/+/+/status",
    ]


def test_scores_of_the_last_hour_are_given(board: Board) -> None:
    board.show_fake_fleet()
    found = board.page.get("/api/scores", params={"node": KEY, "channel": "fan-1"}).json()
    assert (found["channel"], found["threshold"], len(found["points"])) == ("fan-1", 0.2, 1)
    assert board.page.get("/api/scores", params={"node": KEY, "channel": "no-such"}).json()["points"] == []
    for wrong in ({"node": KEY}, {"node": "../..", "channel": "fan-1"}, {"node": KEY, "channel": "<b>"}):
        assert board.page.get("/api/scores", params=wrong).status_code == 400


def test_history_is_given_filtered_and_by_pages(board: Board) -> None:
    board.show_fake_fleet()
    everything = board.page.get("/api/history").json()
    assert [one["transition"] for one in everything["events"]] == ["acknowledged", *["raised"] * 4]
    assert not everything["more"]
    page = board.page.get("/api/history", params={"limit": 2, "transition": "raised", "machine": ""}).json()
    assert ([one["alarm"]["machine"] for one in page["events"]], page["more"]) == (["mill-1", "conveyor-1"], True)
    rest = board.page.get("/api/history", params={"before": page["events"][-1]["event_id"]}).json()
    assert [one["alarm"]["machine"] for one in rest["events"]] == ["gearbox-1", "pump-1"]


@pytest.mark.parametrize(
    "query", ["limit=0", f"limit={MOST_AT_ONCE + 1}", "limit=x", "limit=9999999999", "sort=1", "node=" + "x" * 200]
)
def test_history_that_cannot_be_asked_for_is_refused_in_a_sentence(board: Board, query: str) -> None:
    answer = board.page.get(f"/api/history?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_command_goes_to_its_node_and_its_answer_comes_back(board: Board) -> None:
    board.show_fake_fleet()
    answering(board)
    answer = board.page.post("/api/command", json=ACK, headers=OWN)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "error": None, "data": {"done": True}})
    ((topic, payload),) = board.broker.published
    assert topic == f"asd/v1/{KEY}/cmd/ack"
    assert json.loads(payload)["actor"] == "local"
    assert json.loads(payload)["args"] == ACK["args"]


def test_a_refusal_of_the_node_comes_back_as_it_says(board: Board) -> None:
    board.show_fake_fleet()
    answering(board, "refused", error="<b>no</b> such alarm", data=None)
    answer = board.page.post("/api/command", json=ACK, headers=OWN)
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "refused", "error": "<b>no</b> such alarm", "data": None},
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({**ACK, "node": "plant-1/nowhere"}, 404),
        ({**ACK, "node": "../../x"}, 404),
        ({**ACK, "node": "x" * 10_000}, 400),
        ({**ACK, "verb": "reload"}, 400),
        ({**ACK, "verb": "clip"}, 400),
        ({**ACK, "args": {}}, 400),
        ({**ACK, "args": {"alarm_id": "pump-1.anomaly", "more": 1}}, 400),
        ({**ACK, "args": "pump-1.anomaly"}, 400),
        ({**ACK, "actor": "the boss"}, 400),
        ({"node": KEY, "verb": "shelve", "args": {"alarm_id": "x", "seconds": -1.0}}, 400),
        ({"node": KEY, "verb": "enroll", "args": {"machine": "fan-1", "seconds": 1e9}}, 400),
        ([], 400),
        ({**ACK, "args": {"alarm_id": "x" * 20_000}}, 413),
    ],
)
def test_commands_that_no_node_would_take_are_never_sent(board: Board, command: Any, status: int) -> None:
    board.show_fake_fleet()
    answer = board.page.post("/api/command", json=command, headers=OWN)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert board.broker.published == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Requested-With": "XMLHttpRequest"},
        {**OWN, "Origin": "http://evil.example"},
        {**OWN, "Origin": "null"},
        {**OWN, "Origin": "http://127.0.0.1:8301"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_commands_of_foreign_pages_are_refused(board: Board, headers: dict[str, str]) -> None:
    board.show_fake_fleet()
    answer = board.page.post("/api/command", json=ACK, headers=headers)
    assert (answer.status_code, board.broker.published) == (403, [])
    own = {**OWN, "Origin": "http://127.0.0.1:8300", "Sec-Fetch-Site": "same-origin"}
    answering(board)
    assert board.page.post("/api/command", json=ACK, headers=own).status_code == 200


def test_nobody_has_things_done_without_end(make_board: Callable[..., Board]) -> None:
    board = make_board(commands=3)
    board.show_fake_fleet()
    answering(board)
    statuses = [board.page.post("/api/command", json=ACK, headers=OWN).status_code for _ in range(5)]
    assert statuses[:3] == [200] * 3
    assert 429 in statuses[3:]


def test_a_node_that_does_not_answer_is_said(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.web.api.ANSWER_WITHIN_S", 0.05)
    board.show_fake_fleet()
    answer = board.page.post("/api/command", json=ACK, headers=OWN)
    assert answer.status_code == 504
    assert answer.json() == {"status": "failed", "error": f"{KEY} did not answer within 0.05 s", "data": None}


def test_the_answer_of_another_node_or_to_another_command_is_not_taken(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.web.api.ANSWER_WITHIN_S", 0.05)
    board.show_fake_fleet()

    def answer(_topic: str, payload: bytes) -> None:
        transaction = json.loads(payload)["transaction"]
        content = {"schema": "asd.reply/1", "ts": utc_text(NOW), "status": "ok", "error": None, "data": None}
        good = json.dumps({**content, "transaction": transaction}).encode()
        board.broker.say(Message(f"asd/v1/plant-1/paint-shop/reply/{transaction}", good))
        board.broker.say(Message(f"asd/v1/{KEY}/reply/other", good))
        board.broker.say(Message(f"asd/v1/{KEY}/reply/{transaction}", b"{"))
        other = json.dumps({**content, "transaction": "other"}).encode()
        board.broker.say(Message(f"asd/v1/{KEY}/reply/{transaction}", other))

    board.broker.answer = answer
    assert board.page.post("/api/command", json=ACK, headers=OWN).status_code == 504


def test_without_the_broker_a_command_says_why_it_cannot_be_given(board: Board) -> None:
    board.show_fake_fleet()
    board.broker.disconnect()
    answer = board.page.post("/api/command", json=ACK, headers=OWN)
    assert (answer.status_code, answer.json()["error"]) == (504, board.broker.problem)


def test_only_so_many_commands_wait_at_a_time(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_WAITING", 0)
    board.show_fake_fleet()
    answer = board.page.post("/api/command", json=ACK, headers=OWN)
    assert answer.status_code == 504
    assert "too many commands" in answer.json()["error"]


def test_what_came_over_mqtt_never_becomes_markup_or_a_path(board: Board) -> None:
    board.broker.connect()
    hostile = "</script><script>alert(1)</script>"
    for message in (
        status(KEY, NOW),
        info(KEY, NOW, ()),
        alarm_state(KEY, alarm(NOW, "pump-1", reason=hostile, clip=f"../../{hostile}", acknowledged_by=hostile)),
        event(KEY, NOW, 1, "raised", alarm(NOW, "pump-1", reason=hostile)),
        Message("asd/v1/../../../status", health(KEY, NOW, CHANNELS[0]).payload),
    ):
        board.broker.say(message)
    for path in ("/api/fleet", "/api/history"):
        answer = board.page.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert hostile in json.dumps(answer.json())
    assert hostile not in board.page.get("/").text, "the page gets its content from the API alone"
    assert board.fleet()["alarms"][0].get("clip") is None


@pytest.mark.parametrize("path", ["/", "/login", "/api/fleet", "/static/page.css", "/no-such-page", "/api/clip/x"])
def test_every_answer_forbids_what_is_foreign(board: Board, path: str) -> None:
    headers = board.page.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
    assert "server" not in headers


def test_plotly_comes_from_this_box_compressed_and_only_once(board: Board) -> None:
    answer = board.page.get("/static/plotly.min.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert "plotly.js" in answer.text[:200]
    again = board.page.get("/static/plotly.min.js", headers={"If-None-Match": f"W/{answer.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")
    plain = board.page.get("/static/plotly.min.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content


@pytest.mark.parametrize("path", ["/static/../web/app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"])
def test_nothing_but_the_static_files_is_served(board: Board, path: str) -> None:
    assert board.page.get(path).status_code in (404, 405)


def test_without_users_the_page_is_shown_under_the_names_of_this_machine_alone(board: Board) -> None:
    for host in ("127.0.0.1:8300", "localhost:8300", "[::1]:8300", "LOCALHOST"):
        assert board.page.get("/api/fleet", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:8300", "", "[::1", "localhost.:8300"):
        assert board.page.get("/api/fleet", headers={"Host": host}).status_code == 401
        assert board.page.get("/", headers={"Host": host}).status_code == 403


GUARDED = ["/api/fleet", "/api/scores", "/api/history", f"/api/clip/{CLIP}", f"/api/clip/{CLIP}/alarm.flac", "/events"]


@pytest.mark.parametrize("path", GUARDED)
def test_without_a_login_nothing_is_told(make_board: Callable[..., Board], ann: Users, path: str) -> None:
    board = make_board(ann)
    assert board.page.get(path).status_code == 401
    assert board.page.get(path, headers={"Cookie": "asdstream_session=guessed"}).status_code == 401
    assert board.page.post("/api/command", json=ACK, headers=OWN).status_code == 401


def test_a_user_logs_in_acts_by_name_and_logs_out(make_board: Callable[..., Board], ann: Users) -> None:
    board = make_board(ann)
    board.show_fake_fleet()
    answering(board)
    away = board.page.get("/")
    assert (away.status_code, away.headers["location"]) == (303, "/login")
    assert 'name="password"' in board.page.get("/login").text
    entered = board.page.post("/login", data={"user": "ann", "password": "correct horse"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert board.page.get("/").status_code == 200
    assert board.fleet()["user"] == "ann"
    assert board.page.post("/api/command", json=ACK, headers=OWN).status_code == 200
    assert json.loads(board.broker.published[0][1])["actor"] == "ann"
    kept = board.page.cookies["asdstream_session"]
    assert board.page.post("/logout").headers["location"] == "/login"
    assert board.page.get("/api/fleet", headers={"Cookie": f"asdstream_session={kept}"}).status_code == 401


def test_a_token_opens_the_page_too(make_board: Callable[..., Board]) -> None:
    board = make_board(token="a-token-of-some-length")  # noqa: S106
    form = board.page.get("/login").text
    assert 'name="token"' in form
    assert 'name="password"' not in form
    for wrong in ({"token": "a-token"}, {"user": "ann", "password": "x"}, {"token": ""}, {}):
        assert board.page.post("/login", data=wrong).status_code == 403
    assert board.page.post("/login", data={"token": "a-token-of-some-length"}).status_code == 303
    assert board.fleet()["user"] == "dashboard"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"user=ann&password=wrong", {}, 403),
        (b"user=ben&password=correct+horse", {}, 403),
        (b"user=ann&password=correct+horse", {"Origin": "http://evil.example"}, 403),
        (b"user=ann&password=correct+horse", {"Sec-Fetch-Site": "cross-site"}, 403),
        (b"user=ann&password=" + b"x" * 20_000, {}, 413),
        (b"\xff\xfe", {}, 400),
        (b"a=1&" * 100, {}, 400),
        (b"", {}, 403),
    ],
)
def test_who_is_not_known_does_not_get_in(
    make_board: Callable[..., Board], ann: Users, body: bytes, headers: dict[str, str], status: int
) -> None:
    board = make_board(ann)
    answer = board.page.post("/login", content=body, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)
    assert board.page.get("/api/fleet").status_code == 401


def test_passwords_are_not_tried_without_end(make_board: Callable[..., Board], ann: Users) -> None:
    board = make_board(ann, tries=3)
    for _ in range(3):
        assert board.page.post("/login", data={"user": "ann", "password": "wrong"}).status_code == 403
    answer = board.page.post("/login", data={"user": "ann", "password": "correct horse"})
    assert answer.status_code == 429
    assert "too many attempts" in answer.text


def test_a_mistake_of_ours_is_one_sentence_to_the_page(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board.watch, "snapshot", lambda: 1 / 0)
    answer = board.page.get("/api/fleet")
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "that went wrong; the log of the dashboard says why"},
    )
