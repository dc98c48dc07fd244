"""Machines in a real browser: every tile says how its machine is, and nothing is called normal that is not known."""

import threading
import time
from collections.abc import AsyncIterator

import pytest
from browser.conftest import THRESHOLD, FakeDaemon, Visit
from mosquitto_broker import MosquittoBroker
from playwright.sync_api import Locator, Page, expect

from asdstream.web.event_stream import Listener


def tile(page: Page, machine: str) -> Locator:
    return page.locator(f'.tile[data-machine="{machine}"]')


def word(page: Page, machine: str) -> Locator:
    return tile(page, machine).locator(".word")


def shape(page: Page, machine: str) -> Locator:
    return tile(page, machine).locator(".band use")


def test_each_machine_is_a_tile_with_word_shape_and_score(page: Page) -> None:
    assert page.locator(".tile .name").all_text_contents() == ["fan-1", "gearbox-1", "pump-1"]
    expect(word(page, "fan-1")).to_have_text("Normal")
    expect(shape(page, "fan-1")).to_have_attribute("href", "#shape-normal")
    expect(tile(page, "fan-1").locator(".share")).to_have_text("50 % of the threshold")
    expect(page.locator("#summary-word")).to_have_text("All 3 normal")
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator(".node-name")).to_contain_text("plant/line-1 online")


def test_the_tile_and_the_overview_change_when_an_alarm_is_raised_and_when_it_is_over(
    page: Page, daemon: FakeDaemon
) -> None:
    daemon.raise_alarm("pump-1")
    expect(word(page, "pump-1")).to_have_text("Alarm")
    expect(shape(page, "pump-1")).to_have_attribute("href", "#shape-alarm")
    expect(page.locator("#summary-word")).to_have_text("Alarm: pump-1")
    expect(page.locator("#summary-more")).to_have_text("2 normal")
    expect(page).to_have_title("Alarm: pump-1 · asdstream")
    expect(page.locator("#icon")).to_have_attribute("href", "/static/icon-alarm.svg")
    expect(page.locator("#said-at-once")).to_contain_text("Alarm: pump-1 sounds unusual")
    daemon.clear("pump-1.anomaly")
    expect(word(page, "pump-1")).to_have_text("Normal")
    expect(page.locator("#summary-word")).to_have_text("All 3 normal")
    expect(page.locator("#said")).to_have_text("Over: pump-1 sounds unusual")


def test_every_state_has_a_word_and_a_shape_of_its_own(page: Page, daemon: FakeDaemon) -> None:
    seen = {shape(page, "fan-1").get_attribute("href"): word(page, "fan-1").text_content()}

    def see(expected: str) -> None:
        expect(word(page, "fan-1")).to_have_text(expected)
        seen[shape(page, "fan-1").get_attribute("href")] = expected

    daemon.raise_alarm("fan-1")
    see("Alarm")
    daemon.change("fan-1.anomaly", "acknowledged", "anna", acknowledged=True, acknowledged_by="anna")
    see("Acknowledged")
    daemon.change("fan-1.anomaly", "shelved", "anna", shelved=True, shelved_until="2100-01-01T00:00:00.000Z")
    see("Shelved")
    daemon.clear("fan-1.anomaly")
    daemon.health("fan-1", state="waiting", problem="no sound comes in")
    see("Trouble")
    expect(tile(page, "fan-1").locator(".problem")).to_have_text("No sound comes in")
    daemon.health("fan-1", state="ended")
    see("No news")
    daemon.health("fan-1")
    daemon.score("fan-1", 0.1, threshold=None)
    see("Learning")
    assert len(seen) == 7
    assert len(set(seen.values())) == 7


def test_the_strip_shows_the_scores_against_the_threshold_as_they_come(page: Page, daemon: FakeDaemon) -> None:
    strip = tile(page, "gearbox-1").locator(".strip")
    expect(strip).to_have_attribute(
        "aria-label", "In the last hour the score stayed below the threshold; at most 50 % of it"
    )
    daemon.score("gearbox-1", 2 * THRESHOLD)
    expect(strip).to_have_attribute(
        "aria-label", "In the last hour the score has been over the threshold; at most 200 % of it"
    )
    expect(tile(page, "gearbox-1").locator(".share")).to_have_text("200 % of the threshold")
    assert strip.locator(".strip-over").get_attribute("d")
    line = strip.locator(".strip-threshold")
    assert 0 < float(line.get_attribute("y1") or 0) < 100


def test_when_the_dashboard_is_gone_no_machine_is_called_normal_and_when_it_is_back_all_is_shown_again(
    daemon: FakeDaemon, visit: Visit
) -> None:
    shown = visit()
    page = shown.page
    expect(word(page, "fan-1")).to_have_text("Normal")
    shown.context.set_offline(True)
    expect(page.locator("#summary-word")).to_have_text("No connection")
    expect(page.locator("#link")).to_have_text("No connection")
    assert set(page.locator(".tile .word").all_text_contents()) == {"Unknown"}
    assert page.locator('.tile[data-state="normal"]').count() == 0
    expect(page.locator("#said-at-once")).to_contain_text("No connection")
    expect(tile(page, "fan-1").get_by_role("button", name="Learn")).to_be_disabled()
    daemon.raise_alarm("fan-1")
    shown.context.set_offline(False)
    expect(word(page, "fan-1")).to_have_text("Alarm")
    expect(page.locator("#link")).to_have_text("Live")


def test_a_stream_that_says_nothing_and_a_server_that_does_not_answer_are_no_connection(
    daemon: FakeDaemon, visit: Visit
) -> None:
    page = visit(clock=True).page
    expect(word(page, "fan-1")).to_have_text("Normal")
    page.route("**/api/fleet", lambda route: route.abort())
    page.clock.run_for(16_000)
    expect(page.locator("#summary-word")).to_have_text("No connection")
    assert set(page.locator(".tile .word").all_text_contents()) == {"Unknown"}


def test_a_stream_that_died_without_a_word_is_taken_up_anew(
    daemon: FakeDaemon, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, whole = threading.Event(), Listener.messages

    async def until_it_dies(listener: Listener) -> AsyncIterator[bytes]:
        async for message in whole(listener, 0.1):
            if not dead.is_set():
                yield message

    monkeypatch.setattr(Listener, "messages", until_it_dies)
    shown = visit(clock=True)
    expect(word(shown.page, "fan-1")).to_have_text("Normal")
    monkeypatch.undo()
    dead.set()
    shown.page.clock.run_for(16_000)
    expect(shown.page.locator("#link")).to_have_text("Live")
    daemon.raise_alarm("fan-1")
    expect(shown.page.locator(".event-what")).to_have_text("Raised")
    assert [path.rpartition("/")[2] for path in shown.asked].count("events") == 2


def test_when_the_dashboard_loses_the_broker_the_machines_are_unknown(
    page: Page, daemon: FakeDaemon, mosquitto: MosquittoBroker
) -> None:
    mosquitto.stop(kill=True)
    expect(page.locator("#summary-word")).to_have_text("No connection")
    expect(page.locator("#summary-more")).to_contain_text("The dashboard has lost the broker")
    assert set(page.locator(".tile .word").all_text_contents()) == {"Unknown"}


def test_the_trouble_of_a_box_is_said_above_whatever_is_less_urgent(page: Page, daemon: FakeDaemon) -> None:
    daemon.score("fan-1", 0.1, threshold=None)
    expect(word(page, "fan-1")).to_have_text("Learning")
    daemon.raise_alarm("", "disk", channel="", alarm_id="node.disk")
    expect(page.locator("#summary-word")).to_have_text("The disk of plant/line-1 is nearly full")
    daemon.change("node.disk", "out_of_service", "anna", out_of_service=True, out_of_service_by="anna")
    expect(page.locator("#summary-word")).to_have_text("Learning: fan-1")


def test_a_box_that_says_goodbye_is_offline(page: Page, daemon: FakeDaemon) -> None:
    daemon.leave()
    expect(word(page, "fan-1")).to_have_text("Offline")
    expect(page.locator("#summary-word")).to_have_text("3 offline")
    expect(page.locator(".node-name")).to_contain_text("plant/line-1 offline")


HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script><b>bold</b>'


def test_text_from_the_network_stays_text(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("fan-1", "source", reason=HOSTILE)
    expect(page.locator(".alarm-sentence")).to_have_text(HOSTILE)
    expect(tile(page, "fan-1").locator(".problem")).to_have_text(HOSTILE)
    expect(page.locator(".event-reason")).to_have_text(HOSTILE)
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator("#alarm-dialogue .sentence")).to_have_text(HOSTILE)
    expect(page.locator("#said-at-once")).to_contain_text(HOSTILE)
    assert page.locator("main img, main b, main script, dialog img, dialog b, dialog script").count() == 0
    assert page.title() != "1"


@pytest.mark.parametrize("machines", [tuple(f"fan-{n}" for n in range(60))])
def test_a_tile_is_not_made_anew_when_something_changes(page: Page, daemon: FakeDaemon) -> None:
    names = page.locator(".tile .name").all_text_contents()
    assert names == [f"fan-{n}" for n in range(60)], "10 comes after 9"
    button = tile(page, "fan-59").get_by_role("button", name="Learn")
    button.focus()
    page.evaluate("document.querySelectorAll('.tile').forEach((tile) => { tile.marked = true; })")
    daemon.raise_alarm("fan-3")
    expect(word(page, "fan-3")).to_have_text("Alarm")
    expect(button).to_be_focused()
    assert page.evaluate("[...document.querySelectorAll('.tile')].every((tile) => tile.marked)")


def test_the_wall_view_is_larger_without_history_and_is_remembered(page: Page) -> None:
    before = page.evaluate(WORD_SIZE)
    page.get_by_role("button", name="Wall view").click()
    expect(page.locator(".history")).to_be_hidden()
    assert page.evaluate(WORD_SIZE) > 1.2 * before
    page.reload()
    expect(page.get_by_role("button", name="Wall view")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".tile").first).to_be_visible()
    assert page.evaluate(WORD_SIZE) > 1.2 * before


WORD_SIZE = "parseFloat(getComputedStyle(document.querySelector('.tile .word')).fontSize)"


def test_learning_a_sound_as_normal_is_asked_for_twice_and_says_what_it_does(page: Page, daemon: FakeDaemon) -> None:
    tile(page, "pump-1").get_by_role("button", name="Learn").click()
    dialogue = page.get_by_role("dialog", name="Learn the sound of pump-1 as normal")
    expect(dialogue).to_contain_text("From then on, sound like it raises no alarm")
    dialogue.get_by_label("30 seconds").check()
    dialogue.get_by_role("button", name="Learn as normal").click()
    time.sleep(0.2)
    expect(dialogue).to_be_visible()
    assert daemon.asked("enroll") == [], "not before somebody says that the machine runs as it should"
    dialogue.get_by_label("pump-1 runs as it should").check()
    dialogue.get_by_role("button", name="Learn as normal").click()
    expect(dialogue).to_be_hidden()
    expect(page.locator(".notice").last).to_contain_text("it has 11 references now")
    (command,) = daemon.asked("enroll")
    assert command["args"] == {"machine": "pump-1", "seconds": 30, "force": False}


def test_what_is_cancelled_is_not_done(page: Page, daemon: FakeDaemon) -> None:
    tile(page, "pump-1").get_by_role("button", name="Learn").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    tile(page, "pump-1").get_by_role("button", name="Learn").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    time.sleep(0.2)
    assert daemon.commands == []
