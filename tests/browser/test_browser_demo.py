"""From the fault to the person who acknowledges it: the demo as a stranger starts it, its dashboard, two browsers.

The README's pictures are taken on the way; they are written anew with

    ASDSTREAM_PICTURES=docs/images python -m pytest -m slow tests/browser/test_browser_demo.py
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Visit
from mosquitto_broker import free_port
from PIL import Image
from playwright.sync_api import Page, expect
from processes import ENVIRONMENT

FAULT_WITHIN_MS = 120_000
CLIP_WITHIN_MS = 60_000
GEARBOX = '.tile[data-machine="gearbox-1"] .word'
MOST_BYTES = 250_000
COLOURS = 256


@pytest.fixture
def address() -> Iterator[str]:
    """The page of `asdstream demo`, in a process of its own."""
    arguments = [sys.executable, "-m", "asdstream", "demo", "--port", str(free_port())]
    process = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    told = re.compile(r"http://127\.0\.0\.1:\d+/?")
    found = next((match.group() for line in process.stdout if (match := told.search(line))), None)
    assert found is not None, "the demo begins with the address of its page"
    yield found
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate(timeout=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return Path(os.environ.get("ASDSTREAM_PICTURES", tmp_path))


def take(page: Page, path: Path) -> None:
    """A picture, small enough for a repository."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(
            COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE
        )
    few.save(path, optimize=True)
    assert path.stat().st_size <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_fault_develops_is_seen_heard_and_acknowledged(visit: Visit, address: str, folder: Path) -> None:
    page = visit(address, viewport={"width": 1440, "height": 1100}).page
    other = visit(address, viewport={"width": 390, "height": 844}, color_scheme="dark").page
    expect(page.locator(GEARBOX)).to_have_text("Normal", timeout=FAULT_WITHIN_MS)
    for each in (page, other):
        expect(each.locator(GEARBOX)).to_have_text("Alarm", timeout=FAULT_WITHIN_MS)
    expect(page.locator('.alarm[data-alarm="gearbox-1.anomaly"]')).to_contain_text("energy around")
    take(page, folder / "dashboard.png")
    take(other, folder / "phone.png")
    page.locator('.alarm[data-alarm="gearbox-1.anomaly"]').get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog", name="gearbox-1 sounds unusual")
    for name in ("alarm", "reference", "difference"):
        picture = dialogue.locator(f'[data-part="{name}-plot"] .heatmaplayer image')
        expect(picture).to_be_visible(timeout=CLIP_WITHIN_MS)
    expect(dialogue.locator(".sentence")).to_contain_text(re.compile("energy around"))
    expect(dialogue.locator(".bands .louder").first).to_contain_text("louder")
    expect(dialogue.locator(".loading")).to_be_hidden()
    take(page, folder / "alarm.png")
    sound = dialogue.locator('[data-part="alarm-audio"]')
    sound.evaluate("(audio) => audio.play()")
    page.wait_for_function("(audio) => audio.currentTime > 0.5", arg=sound.element_handle())
    dialogue.get_by_role("button", name="Acknowledge").click()
    expect(dialogue.locator(".opened-status")).to_have_text(re.compile("^Acknowledged .* by local"))
    expect(other.locator(GEARBOX)).to_have_text("Acknowledged")
    expect(page.locator(".tile")).to_have_count(4)
    assert page.locator('.tile[data-state="alarm"]').count() == 0, "no other machine alarms"
