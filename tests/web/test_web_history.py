import json
from pathlib import Path

import pytest
from fake_fleet import AWAY, KEY, alarm, event

from asdstream.web.history import CLOCK_AHEAD_S, Filter, History, HistoryError

NOW = 1_750_000_000.0


def entry(number: int, at: float = NOW, node: str = KEY, channel: str = "pump-1", transition: str = "raised") -> dict:
    message = event(node, at, number, transition, alarm(at, channel))
    return {**json.loads(message.payload), "node": node}


def ids(history: History, wanted: Filter | None = None, limit: int = 50) -> list[int]:
    events, _ = history.search(wanted or Filter(), limit)
    return [int(one["event_id"][-2:]) for one in events]


def test_events_come_newest_first_and_by_pages() -> None:
    history = History()
    for number in range(10, 17):
        assert history.add(entry(number, NOW + number), NOW + number)
    first, more = history.search(Filter(), 3)
    assert [one["event_id"][-2:] for one in first] == ["16", "15", "14"]
    assert more
    before = Filter(before=first[-1]["event_id"])
    assert ids(history, before, 3) == [13, 12, 11]
    last, more = history.search(Filter(before=entry(11)["event_id"]), 3)
    assert ([one["event_id"][-2:] for one in last], more) == (["10"], False)


def test_events_of_the_same_moment_are_neither_lost_nor_doubled_between_pages() -> None:
    history = History()
    for number in range(10, 14):
        history.add(entry(number, NOW), NOW)
    assert ids(history, limit=2) == [13, 12]
    assert ids(history, Filter(before=entry(12)["event_id"]), 2) == [11, 10]


def test_an_event_that_comes_twice_is_kept_once() -> None:
    history = History()
    assert history.add(entry(10), NOW)
    assert not history.add(entry(10), NOW)
    assert history.add(entry(10, node=AWAY), NOW), "another node may have an event of that name"
    assert len(ids(history)) == 2


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(node=KEY), [12, 10]),
        (Filter(machine="fan-1"), [12]),
        (Filter(transition="cleared"), [11]),
        (Filter(kind="anomaly", node=AWAY), [11]),
        (Filter(kind="disk"), []),
        (Filter(machine="' OR 1=1 --"), []),
        (Filter(before="an event that is not there"), []),
    ],
)
def test_events_are_filtered(wanted: Filter, found: list[int]) -> None:
    history = History()
    history.add(entry(10, NOW), NOW)
    history.add(entry(11, NOW + 1, node=AWAY, transition="cleared"), NOW + 1)
    history.add(entry(12, NOW + 2, channel="fan-1"), NOW + 2)
    assert ids(history, wanted) == found


def test_the_oldest_give_way() -> None:
    history = History(most=5)
    for number in range(10, 30):
        history.add(entry(number, NOW + number), NOW + number)
    assert ids(history) == [29, 28, 27, 26, 25]


def test_a_node_whose_clock_is_years_ahead_does_not_stay_on_top_for_years() -> None:
    history = History()
    history.add(entry(10, NOW + 1e8, node=AWAY), NOW)
    history.add(entry(11, NOW + CLOCK_AHEAD_S + 1.0), NOW + CLOCK_AHEAD_S + 1.0)
    assert ids(history) == [11, 10]


def test_a_file_outlives_a_restart_and_the_alarm_of_a_clip_is_found_in_it(tmp_path: Path) -> None:
    history = History(tmp_path / "dashboard.db")
    first = entry(10)
    history.add(first, NOW)
    history.close()
    again = History(tmp_path / "dashboard.db")
    assert ids(again) == [10]
    assert again.alarm_of_clip(KEY, first["alarm"]["clip"]) == first["alarm"]
    assert again.alarm_of_clip(AWAY, first["alarm"]["clip"]) is None
    again.close()


def test_a_file_that_is_no_database_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "dashboard.db").write_text("not a database, but long enough to look like one " * 10)
    with pytest.raises(HistoryError, match=r"^web\.history: .*dashboard\.db cannot be used.*not a database$"):
        History(tmp_path / "dashboard.db")
    with pytest.raises(HistoryError, match="unable to open"):
        History(tmp_path / "nowhere" / "dashboard.db")
