"""Alarms in a real browser: seen, opened, heard, acknowledged, shelved, and found again."""

import re
import time

from browser.conftest import EVIDENCE, PHONE, FakeDaemon, Visit
from playwright.sync_api import Locator, Page, expect

from asdstream.mqtt.payloads import utc_text

DRAWN_MS = 20_000


def alarm(page: Page, alarm_id: str) -> Locator:
    return page.locator(f'.alarm[data-alarm="{alarm_id}"]')


def drawn(page: Page, name: str) -> Locator:
    """The picture within a plot that plotly has drawn."""
    return page.locator(f'[data-part="{name}-plot"] .heatmaplayer image')


def test_an_alarm_opens_to_its_sentence_its_sounds_and_their_spectrograms(page: Page, daemon: FakeDaemon) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    daemon.raise_alarm("gearbox-1")
    assert not any("plotly.min.js" in url for url in fetched), "only who opens an alarm fetches what draws"
    alarm(page, "gearbox-1.anomaly").get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog", name="gearbox-1 sounds unusual")
    expect(dialogue.locator(".sentence")).to_have_text(EVIDENCE["sentence"])
    expect(dialogue.locator(".bands li")).to_have_text(
        ["2.8 to 3.2 kHz: 30 dB louder", "400 to 600 Hz: 12 dB quieter", "4 times a second"]
    )
    for name in ("alarm", "reference", "difference"):
        expect(drawn(page, name)).to_be_visible(timeout=DRAWN_MS)
        expect(drawn(page, name)).to_have_attribute("href", re.compile("^data:image/png;base64,.{200,}"))
    expect(dialogue.locator('[data-part="difference-plot"]')).to_have_attribute(
        "aria-label", "What has changed, most of all 2.8 to 3.2 kHz and 400 to 600 Hz"
    )
    expect(dialogue.locator('[data-part="difference-plot"] .shapelayer path')).to_have_count(2)
    expect(dialogue).to_contain_text("reference/3, distance 0.31")
    for name in ("alarm", "reference"):
        sound = dialogue.locator(f'[data-part="{name}-audio"]')
        sound.evaluate("(audio) => audio.play()")
        page.wait_for_function("(audio) => audio.currentTime > 0.2", arg=sound.element_handle())
        assert sound.evaluate("(audio) => audio.duration") == 3.0
    expect(dialogue.locator('[data-part="alarm-plot"]')).to_have_class(re.compile("playing"))


def test_a_click_into_the_spectrogram_plays_from_there_and_closing_it_falls_silent(
    page: Page, daemon: FakeDaemon
) -> None:
    daemon.raise_alarm("gearbox-1")
    alarm(page, "gearbox-1.anomaly").get_by_role("button", name="Open").click()
    expect(drawn(page, "alarm")).to_be_visible(timeout=DRAWN_MS)
    sound, plot = page.locator('[data-part="alarm-audio"]'), page.locator('[data-part="alarm-plot"]')
    box = plot.bounding_box()
    assert box is not None
    plot.click(position={"x": 58 + 0.5 * (box["width"] - 66), "y": 100})
    page.wait_for_function("(audio) => audio.currentTime > 1.45 && !audio.paused", arg=sound.element_handle())
    assert sound.evaluate("(audio) => audio.currentTime") < 2.9
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert sound.evaluate("(audio) => audio.paused")


def test_an_acknowledgement_reaches_the_daemon_and_comes_back_to_every_browser(
    page: Page, daemon: FakeDaemon, visit: Visit
) -> None:
    other = visit(viewport=PHONE).page
    daemon.raise_alarm("pump-1")
    for each in (page, other):
        expect(alarm(each, "pump-1.anomaly").locator(".alarm-status")).to_have_text("Alarm")
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Acknowledge").click()
    for each in (page, other):
        expect(alarm(each, "pump-1.anomaly").locator(".alarm-status")).to_have_text(
            re.compile(r"Acknowledged \d\d:\d\d by local")
        )
        expect(each.locator('.tile[data-machine="pump-1"] .word')).to_have_text("Acknowledged")
        expect(each.locator(".event-what").first).to_have_text("Acknowledged by local")
    expect(page.locator(".notice")).to_contain_text("Acknowledged: pump-1 sounds unusual")
    assert [command["args"] for command in daemon.asked("ack")] == [{"alarm_id": "pump-1.anomaly"}]


def test_an_alarm_that_is_open_follows_what_happens_to_it(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("pump-1", clip=None)
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_role("button", name="Acknowledge").click()
    expect(dialogue.locator(".opened-status")).to_have_text(re.compile("^Acknowledged"))
    expect(dialogue.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_an_alarm_that_ends_while_it_is_open_is_shown_as_over(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("pump-1", clip=None)
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog")
    expect(dialogue.locator(".opened-status")).to_have_text("Alarm")
    daemon.clear("pump-1.anomaly")
    expect(dialogue.locator(".opened-status")).to_have_text("Over, not acknowledged")
    expect(dialogue.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator(".event").filter(has_text="Raised").get_by_role("button").click()
    expect(dialogue.locator(".opened-status")).to_have_text("No longer stands")
    expect(dialogue.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_what_goes_wrong_in_an_open_alarm_is_told_within_it(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("pump-1", clip=None)
    daemon.refuse = "there is nothing to acknowledge"
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_role("button", name="Acknowledge").click()
    expect(dialogue.locator(".notice.bad")).to_contain_text("Not done: there is nothing to acknowledge")
    expect(dialogue.locator("#said-at-once")).to_have_text("Not done: there is nothing to acknowledge")
    page.keyboard.press("Escape")
    page.locator(".notice.bad").get_by_role("button", name="Close this notice").click()
    expect(page.locator(".notice")).to_have_count(0)


def test_an_alarm_is_shelved_for_as_long_as_one_chooses_and_back(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("fan-1")
    alarm(page, "fan-1.anomaly").get_by_role("button", name="Shelve").click()
    dialogue = page.get_by_role("dialog", name="Shelve: fan-1 sounds unusual")
    dialogue.get_by_label("8 hours").check()
    dialogue.get_by_label("Only until this alarm is over").check()
    dialogue.get_by_role("button", name="Shelve").click()
    expect(alarm(page, "fan-1.anomaly").locator(".alarm-status")).to_have_text(re.compile("^Shelved until .* by local"))
    (command,) = daemon.asked("shelve")
    assert command["args"] == {"alarm_id": "fan-1.anomaly", "seconds": 28_800, "once": True}
    alarm(page, "fan-1.anomaly").get_by_role("button", name="Unshelve").click()
    expect(alarm(page, "fan-1.anomaly").locator(".alarm-status")).to_have_text("Alarm")


def test_the_most_urgent_alarm_comes_first_and_a_refusal_is_told(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("fan-1", "source", severity=900)
    daemon.raise_alarm("gearbox-1", acknowledged=True, acknowledged_by="anna")
    daemon.raise_alarm("pump-1", severity=400)
    titles = page.locator(".alarm h3")
    expect(titles).to_have_text(["pump-1 sounds unusual", "No sound from fan-1", "gearbox-1 sounds unusual"])
    daemon.refuse = "there is nothing to acknowledge"
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".notice.bad span")).to_have_text("Not done: there is nothing to acknowledge")
    expect(page.locator("#said-at-once")).to_have_text("Not done: there is nothing to acknowledge")


def test_an_alarm_without_a_clip_says_so(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("pump-1", clip=None, evidence=None)
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog")
    expect(dialogue.locator(".loading")).to_have_text("No sound was kept of this alarm.")
    expect(dialogue.locator(".sentence")).to_have_text("Score 0.340 over the threshold 0.200 in 4 of 6 windows")


def test_a_clip_that_cannot_be_had_says_why(page: Page, daemon: FakeDaemon) -> None:
    daemon.refuse = "this clip has been removed to make room"
    daemon.raise_alarm("pump-1", raised_at=utc_text(time.time() - 3600.0))
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    expect(page.locator("dialog .loading")).to_have_text(
        "The sound cannot be had: this clip has been removed to make room"
    )


def test_a_clip_that_is_not_finished_is_shown_once_it_is(page: Page, daemon: FakeDaemon) -> None:
    daemon.refuse = "the clip is not finished yet"
    daemon.raise_alarm("pump-1")
    alarm(page, "pump-1.anomaly").get_by_role("button", name="Open").click()
    expect(page.locator("dialog .loading")).to_have_text("The sound is still being recorded …")
    daemon.refuse = None
    expect(drawn(page, "alarm")).to_be_visible(timeout=DRAWN_MS)
    expect(page.locator("dialog .loading")).to_be_hidden(timeout=DRAWN_MS)


def test_the_history_is_filtered_read_further_back_and_opens_past_alarms(page: Page, daemon: FakeDaemon) -> None:
    for _ in range(12):
        daemon.raise_alarm("fan-1")
        daemon.clear("fan-1.anomaly")
    daemon.raise_alarm("pump-1", "source")
    rows = page.locator(".event")
    expect(rows.first).to_contain_text("No sound from pump-1")
    expect(rows).to_have_count(25)
    page.reload()
    expect(rows).to_have_count(20)
    page.get_by_role("button", name="Show earlier").click()
    expect(rows).to_have_count(25)
    expect(page.get_by_role("button", name="Show earlier")).to_be_hidden()
    page.get_by_role("combobox", name="Machine").select_option("fan-1")
    expect(rows.first).to_contain_text("fan-1")
    page.get_by_role("combobox", name="What happened").select_option("cleared")
    expect(rows).to_have_count(12)
    daemon.clear("pump-1.source")
    page.get_by_role("combobox", name="About").select_option("source")
    expect(page.locator("#history-none")).to_have_text("Nothing has happened.")
    page.get_by_role("combobox", name="Machine").select_option("")
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="No sound from pump-1").click()
    expect(page.get_by_role("dialog", name="No sound from pump-1")).to_be_visible()


def test_an_alarm_is_found_opened_and_acknowledged_by_keyboard_alone(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("gearbox-1", clip=None)
    expect(page.locator(".alarm")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the alarms")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alarms")).to_be_focused()
    page.keyboard.press("Tab")
    opener = alarm(page, "gearbox-1.anomaly").get_by_role("button", name="Open")
    expect(opener).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "focus can be seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="gearbox-1 sounds unusual", level=2)).to_be_focused()
    within = "document.activeElement === document.body || document.activeElement.closest('dialog[open]') !== null"
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(within), "the page behind cannot be reached"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".alarm-status")).to_have_text(re.compile("^Acknowledged"))
    assert page.evaluate("document.activeElement.closest('.alarm') !== null"), "focus stays where one was"


def test_the_focus_of_an_alarm_that_goes_is_left_at_the_heading(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("gearbox-1")
    alarm(page, "gearbox-1.anomaly").get_by_role("button", name="Open").focus()
    daemon.clear("gearbox-1.anomaly")
    expect(page.locator(".alarm")).to_have_count(0)
    expect(page.get_by_role("heading", name="Alarms")).to_be_focused()
