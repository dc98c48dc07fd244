"""How the dashboard looks: readable from afar, on a phone, light and dark, and by what reads pages aloud."""

import itertools
import re

import pytest
from browser.conftest import DESKTOP, PHONE, FakeDaemon, Visit
from playwright.sync_api import Page, expect

STATES = ("normal", "alarm", "acknowledged", "trouble", "shelved", "learning", "stale", "offline", "unknown")
LEAST_CONTRAST = 7.0


def luminance(colour: str) -> float:
    """Relative luminance of a colour as a browser tells it, by WCAG 2."""
    found = re.match(r"rgba?\(([\d.]+), ([\d.]+), ([\d.]+)", colour)
    assert found is not None, colour
    channels = [float(value) / 255 for value in found.groups()]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_has_it() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21.0)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.01)


GROUNDS = """([part, state]) => {
    const element = document.querySelector(part), holder = element.closest("[data-state]");
    holder.dataset.state = state;
    const grounds = [];
    for (let at = element; at && !grounds.length; at = at.parentElement) {
        const { backgroundColor, backgroundImage } = getComputedStyle(at);
        grounds.push(...(backgroundImage.match(/rgba?\\([^)]*\\)/g) ?? []).filter((one) => !one.endsWith(", 0)")));
        if (!backgroundColor.endsWith(", 0)")) grounds.push(backgroundColor);
        else grounds.length = 0;
    }
    return [getComputedStyle(element).color, grounds];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_stand_out_by_at_least_seven_to_one(daemon: FakeDaemon, visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme).page
    daemon.raise_alarm("fan-1")
    expect(page.locator(".alarm")).to_have_count(1)
    daemon.stop()
    faint = []
    parts = [".tile .word", ".tile .name", ".tile .about", "#summary-word", "#summary-more", ".alarm-status"]
    for part, state in itertools.product(parts, STATES):
        ink, grounds = page.evaluate(GROUNDS, [part, state])
        assert grounds
        worst = min(contrast(ink, ground) for ground in grounds)
        if worst < LEAST_CONTRAST:
            faint.append(f"{part} {state}: {worst:.2f}")
    assert not faint


SOFT_TEXTS = (".alarm-since", ".strip-axis", ".count", ".filter label", ".foot p", ".share", ".alarm-sentence")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_text_is_fainter_than_small_print_may_be(daemon: FakeDaemon, visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme).page
    daemon.raise_alarm("fan-1")
    expect(page.locator(".alarm")).to_have_count(1)
    texts = {part: page.evaluate(PLAIN_GROUND, part) for part in SOFT_TEXTS}
    assert min(contrast(ink, ground) for ink, ground in texts.values()) >= 4.5, texts


PLAIN_GROUND = """(part) => {
    const element = document.querySelector(part);
    let at = element;
    while (getComputedStyle(at).backgroundColor.endsWith(", 0)")) at = at.parentElement;
    return [getComputedStyle(element).color, getComputedStyle(at).backgroundColor];
}"""


def test_the_dark_scheme_is_dark_and_the_light_one_light(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(color_scheme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert luminance(page.evaluate(ground)) > 0.8
    page.emulate_media(color_scheme="dark")
    assert luminance(page.evaluate(ground)) < 0.02


@pytest.mark.parametrize("machines", [("a-machine-with-a-name-that-has-no-end-in-it", "fan-1")])
def test_nothing_is_wider_than_a_phone(daemon: FakeDaemon, visit: Visit, machines: tuple[str, ...]) -> None:
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True).page
    daemon.raise_alarm(machines[0])
    daemon.raise_alarm("fan-1", acknowledged=True, acknowledged_by="Somebody With A Rather Long Name")
    expect(page.locator(".alarm")).to_have_count(2)
    expect(page.locator(".event")).to_have_count(2)

    def overflow() -> list[str]:
        found: list[str] = page.evaluate(TOO_WIDE)
        return found

    assert overflow() == []
    page.locator(".alarm").first.get_by_role("button", name="Open").tap()
    expect(page.locator('[data-part="difference-plot"] .heatmaplayer image')).to_be_visible(timeout=20_000)
    assert overflow() == []
    assert page.evaluate("document.querySelector('dialog[open]').scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Close", exact=True).tap()
    page.locator(".alarm").first.get_by_role("button", name="Shelve").tap()
    assert overflow() == []


TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest(".unseen, .skip, .shapes, .heatmaplayer, #js-plotly-tester"))
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 0.5)
    .map((one) => one.className?.baseVal ?? `${one.tagName} ${one.className}`)
    .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])"""


def test_what_is_pressed_is_large_enough_for_a_glove(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(viewport=PHONE).page
    daemon.raise_alarm("fan-1")
    expect(page.locator(".alarm")).to_have_count(1)
    sizes = page.locator("main button:not(.as-link), main select").evaluate_all(
        "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().height)"
    )
    assert len(sizes) >= 8
    assert min(sizes) >= 44


def test_words_are_large_enough_for_three_metres(page: Page) -> None:
    """A letter is read from 3 m when its height is at least 10 minutes of arc: 8.7 mm, 33 px at 96 dpi."""
    capital = 0.72
    assert page.evaluate(FONT_SIZE, "#summary-word") * capital >= 33
    page.get_by_role("button", name="Wall view").click()
    assert page.evaluate(FONT_SIZE, ".tile .word") * capital >= 33


FONT_SIZE = "(part) => parseFloat(getComputedStyle(document.querySelector(part)).fontSize)"


def test_nothing_moves_for_whoever_asked_for_that(daemon: FakeDaemon, visit: Visit) -> None:
    moving = "getComputedStyle(document.querySelector('.tile .shape')).animationName"
    daemon.raise_alarm("fan-1")
    calm, lively = visit(reduced_motion="reduce").page, visit(reduced_motion="no-preference").page
    for page in (calm, lively):
        expect(page.locator('.tile[data-machine="fan-1"] .word')).to_have_text("Alarm")
    assert calm.evaluate(moving) == "none"
    assert lively.evaluate(moving) == "breathe"


def test_the_page_is_all_there_without_the_internet_and_breaks_no_rule_of_its_own(
    daemon: FakeDaemon, visit: Visit, address: str
) -> None:
    shown = visit()
    daemon.raise_alarm("fan-1")
    shown.page.get_by_role("button", name="Open", exact=True).last.click()
    expect(shown.page.locator('[data-part="difference-plot"] .heatmaplayer image')).to_be_visible(timeout=20_000)
    assert any("plotly.min.js" in url for url in shown.asked)
    assert [url for url in shown.asked if not url.startswith((address, "data:image/png"))] == []
    assert shown.complaints == []
    assert "unsafe" not in str(shown.page.request.get(address).headers["content-security-policy"])
    assert shown.page.locator("[style*='javascript'], main [onclick], body script").count() == 0


def test_whoever_listens_to_the_page_finds_its_parts_by_name(page: Page, daemon: FakeDaemon) -> None:
    daemon.raise_alarm("fan-1")
    expect(page.get_by_role("banner")).to_contain_text("Live")
    expect(page.get_by_role("main")).to_be_visible()
    for name in ("Overview", "Alarms 1", "Machines 3", "History"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("article", name="fan-1: Alarm", exact=True)).to_be_visible()
    expect(page.get_by_role("article", name="fan-1 sounds unusual: Alarm")).to_be_visible()
    nameless = page.locator("button, select, input, audio, [role=img]").evaluate_all(
        """(all) => all.filter((one) => one.checkVisibility())
            .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    levels = page.locator("h1, h2, h3, h4").evaluate_all(
        "(all) => all.filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_page_can_be_enlarged_to_twice_its_size(daemon: FakeDaemon, visit: Visit) -> None:
    page = visit(viewport={"width": DESKTOP["width"] // 4, "height": DESKTOP["height"] // 4}).page
    expect(page.locator(".tile")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"] // 4
