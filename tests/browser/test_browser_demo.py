"""From the fault to the person who acknowledges it: the demo as a stranger starts it, the dashboard, two browsers."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from browser.conftest import Visit
from mosquitto_broker import free_port
from playwright.sync_api import expect
from processes import ENVIRONMENT

from asdstream.config import WebSection
from asdstream.mqtt.broker import Broker
from asdstream.web.dashboard import Dashboard

FAULT_WITHIN_MS = 120_000
CLIP_WITHIN_MS = 60_000
GEARBOX = '.tile[data-machine="gearbox-1"] .word'


@pytest.fixture
def demo() -> Iterator[int]:
    """`asdstream demo` in a process of its own; the port of its broker."""
    port = free_port()
    arguments = [sys.executable, "-m", "asdstream", "demo", "--port", str(port)]
    process = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield port
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


@pytest.fixture
def address(demo: int) -> Iterator[str]:
    """The address of a dashboard at the demo's broker."""
    section = WebSection.model_validate({"history": None}).served_at(None, 0)
    shown = Dashboard(section, Broker("127.0.0.1", demo))
    yield shown.start()
    shown.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_fault_develops_is_seen_heard_and_acknowledged(visit: Visit, address: str) -> None:
    page, other = visit().page, visit(viewport={"width": 390, "height": 844}).page
    expect(page.locator(GEARBOX)).to_have_text("Normal", timeout=FAULT_WITHIN_MS)
    for each in (page, other):
        expect(each.locator(GEARBOX)).to_have_text("Alarm", timeout=FAULT_WITHIN_MS)
    page.locator('.alarm[data-alarm="gearbox-1.anomaly"]').get_by_role("button", name="Open").click()
    dialogue = page.get_by_role("dialog", name="gearbox-1 sounds unusual")
    for name in ("alarm", "reference", "difference"):
        picture = dialogue.locator(f'[data-part="{name}-plot"] .heatmaplayer image')
        expect(picture).to_be_visible(timeout=CLIP_WITHIN_MS)
    expect(dialogue.locator(".sentence")).to_contain_text(re.compile("energy around"))
    expect(dialogue.locator(".bands .louder").first).to_contain_text("louder")
    sound = dialogue.locator('[data-part="alarm-audio"]')
    sound.evaluate("(audio) => audio.play()")
    page.wait_for_function("(audio) => audio.currentTime > 0.5", arg=sound.element_handle())
    dialogue.get_by_role("button", name="Acknowledge").click()
    expect(dialogue.locator(".opened-status")).to_have_text(re.compile("^Acknowledged .* by local"))
    expect(other.locator(GEARBOX)).to_have_text("Acknowledged")
    expect(page.locator(".tile")).to_have_count(4)
    assert page.locator('.tile[data-state="alarm"]').count() == 0, "no other machine alarms"
