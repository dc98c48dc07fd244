"""What the demo shows, and how it judges itself."""

from typing import Any

import pytest
from rich.console import Console

from asdstream.demo.scoreboard import Scoreboard
from asdstream.demo.view import bar, plain_line, render, strip


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(["fan-1", "gearbox-1"])


def score(channel: str, calibrated: float) -> dict[str, Any]:
    return {"channel": channel, "score": calibrated / 100, "threshold": 0.01, "calibrated": calibrated}


def event(channel: str, transition: str, event_id: str, kind: str = "anomaly") -> dict[str, Any]:
    alarm = {"channel": channel, "kind": kind, "active": transition != "cleared", "reason": "4 of 6 windows over"}
    return {"event_id": event_id, "transition": transition, "ts": "2025-01-01T00:00:00.000Z", "alarm": alarm}


def test_scores_fill_the_strip_of_their_machine_only(board: Scoreboard) -> None:
    board.see_score(score("fan-1", 0.5))
    board.see_score(score("fan-1", 1.5))
    board.see_score(score("nobody", 9.0))
    assert list(board.rows["fan-1"].calibrated) == [0.5, 1.5]
    assert board.rows["gearbox-1"].windows == 0


def test_the_same_event_delivered_twice_counts_once(board: Scoreboard) -> None:
    board.see_event(event("gearbox-1", "raised", "01A"))
    board.see_event(event("gearbox-1", "raised", "01A"))
    assert board.rows["gearbox-1"].alarms_raised == 1
    assert len(board.events) == 1


def test_what_comes_while_the_screen_is_drawn_does_not_disturb_it(board: Scoreboard) -> None:
    for i in range(60):
        board.see_score(score("fan-1", i / 10))
    drawn = []
    for value in board.rows["fan-1"].calibrated:
        board.see_score(score("fan-1", 9.0))
        drawn.append(value)
    assert drawn == [i / 10 for i in range(12, 60)], "the latest 48, as they were"


def test_the_verdict_is_good_only_when_every_fault_and_nothing_else_raised(board: Scoreboard) -> None:
    assert board.verdict(["gearbox-1"]) == "no alarm for gearbox-1, whose fault had begun"
    board.see_event(event("gearbox-1", "raised", "01A"))
    assert board.verdict(["gearbox-1"]) is None
    board.see_event(event("fan-1", "raised", "01B"))
    assert board.verdict(["gearbox-1"]) == "an alarm for fan-1, which is healthy"
    board.see_event(event("fan-1", "cleared", "01C"))
    assert board.verdict(["gearbox-1"]) is not None, "an alarm that has cleared was false all the same"


def test_a_source_alarm_is_no_anomaly(board: Scoreboard) -> None:
    board.see_event(event("fan-1", "raised", "01A", kind="source"))
    assert not board.rows["fan-1"].alarm_active


@pytest.mark.parametrize(("calibrated", "expected"), [(-1.0, "▁"), (0.0, "▁"), (1.0, "▅"), (2.0, "█"), (50.0, "█")])
def test_the_threshold_stands_in_the_middle_of_a_bar(calibrated: float, expected: str) -> None:
    assert bar(calibrated) == expected


def test_windows_over_the_threshold_are_red() -> None:
    drawn = strip([0.2, 1.2])
    assert [str(span.style) for span in drawn.spans] == ["green", "bold red"]


def test_the_screen_shows_machine_state_and_events(board: Scoreboard) -> None:
    board.see_score(score("gearbox-1", 1.8))
    board.see_event(event("gearbox-1", "raised", "01A"))
    console = Console(record=True, width=140, file=None, quiet=False, force_terminal=False)
    with console.capture() as shown:
        console.print(render(board, "virtual factory", "mosquitto_sub -t '#'"))
    text = shown.get()
    assert "ALARM" in text
    assert "listening" in text
    assert "4 of 6 windows over" in text
    assert "mosquitto_sub" in text
    assert plain_line(board) == "fan-1 listening  gearbox-1 ALARM 1.80"
