"""What a reader of the journal sees."""

import io
import json

import pytest
import structlog

from asdstream import log
from asdstream.log_repeats import REMEMBERED, Repeats


class Journal:
    """A log whose clock stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self._text = io.StringIO()
        self.log = structlog.wrap_logger(
            structlog.WriteLogger(self._text),
            processors=[
                structlog.processors.add_log_level,
                Repeats(60.0, lambda: self.now),
                structlog.processors.JSONRenderer(),
            ],
        )

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._text.getvalue().splitlines()]


def test_a_failure_that_goes_on_is_said_once_and_then_by_count() -> None:
    journal = Journal()
    for _ in range(600):
        journal.log.warning("microphone_away", device="USB Mic")
        journal.now += 0.5
    assert len(journal.lines) == 5, "in five minutes"
    assert "repeated" not in journal.lines[0]
    assert [line["repeated"] for line in journal.lines[1:]] == [119] * 4


def test_another_device_another_reason_and_another_level_are_lines_of_their_own() -> None:
    journal = Journal()
    journal.log.warning("microphone_away", device="a")
    journal.log.warning("microphone_away", device="b")
    journal.log.error("microphone_away", device="a")
    assert len(journal.lines) == 3


def test_what_is_no_failure_is_never_kept_back() -> None:
    journal = Journal()
    for _ in range(3):
        journal.log.info("mqtt_connected", broker="b")
    assert len(journal.lines) == 3


def test_alarms_are_never_kept_back_because_each_has_its_own_id() -> None:
    journal = Journal()
    for number in range(50):
        journal.log.warning("alarm", channel="fan-1", transition="raised", event_id=f"{number:026d}")
    assert len(journal.lines) == 50


def test_what_is_remembered_is_bounded() -> None:
    journal = Journal()
    for number in range(REMEMBERED + 1):
        journal.log.warning("strange", number=number)
    journal.log.warning("strange", number=0)
    assert len(journal.lines) == REMEMBERED + 2, "the first was forgotten, so it is said again"


def test_where_a_journal_reads_each_line_is_json_and_secrets_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    structlog.get_logger().info("login", user="ann", password="hunter2")  # noqa: S106
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["user"], told["password"]) == ("login", "info", "ann", "(hidden)")


def test_on_a_terminal_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "console")
    structlog.get_logger().warning("sound_lost", channel="fan-1")
    (line,) = capsys.readouterr().err.splitlines()
    assert "sound_lost" in line
    assert "channel=fan-1" in line
