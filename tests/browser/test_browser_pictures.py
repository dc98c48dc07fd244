"""The README's pictures of the dashboard.

    ASDSTREAM_PICTURES=docs/images python -m pytest -m slow tests/browser/test_browser_pictures.py

writes them anew; otherwise they are taken to see that they can be.
"""

import os
import re
import time
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from browser.conftest import THRESHOLD, FakeDaemon, Visit, encoded
from PIL import Image
from playwright.sync_api import Page, Route, expect

from asdstream.audio.simulator.fault import Fault
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator
from asdstream.evidence.evidence import Evidence, NearestNormal
from asdstream.evidence.explanation import NormalSound, explain
from asdstream.mqtt.payloads import utc_text

MOST_BYTES = 250_000
COLOURS = 256
GEARBOX = MachineSpec("gearbox", identity=1, snr_db=15.0)
SECONDS = 12.0
MACHINES = ("fan-1", "fan-2", "gearbox-1", "pump-1", "slider-1", "valve-1")


@pytest.fixture
def machines() -> tuple[str, ...]:
    return MACHINES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return Path(os.environ.get("ASDSTREAM_PICTURES", tmp_path))


def hour_of(route: Route) -> None:
    """An hour of scores, of which the broker has heard nothing: the gearbox goes over the threshold at its end."""
    wrong = "channel=gearbox-1" in route.request.url
    rng = np.random.default_rng(zlib.crc32(route.request.url.encode()))
    steps = np.arange(720)
    wander = np.convolve(rng.normal(0.0, 1.0, 760), np.ones(40) / 40, mode="valid")[:720]
    scores = THRESHOLD * (0.45 + 0.25 * wander + rng.normal(0.0, 0.03, 720))
    if wrong:
        scores += THRESHOLD * np.clip((steps - 610) / 90, 0.0, 1.0) ** 2
    now_ms = time.time() * 1000
    points = [
        [round(now_ms - 5000 * (719 - step)), round(float(score), 4)] for step, score in zip(steps, scores, strict=True)
    ]
    route.fulfill(json={"channel": "", "threshold": THRESHOLD, "points": points})


def take(page: Page, path: Path) -> None:
    """A picture, small enough for a repository."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(
            COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE
        )
    few.save(path, optimize=True)
    assert path.stat().st_size <= MOST_BYTES


def heard_wrong(daemon: FakeDaemon) -> Evidence:
    """Gives the daemon the sound of a gearbox with a cracked tooth, and of the same while it was whole."""
    normal = Simulator(GEARBOX, seed=3).render(SECONDS)
    wrong = Simulator(GEARBOX, seed=4).render(SECONDS, Fault("cracked_tooth", 0.9))
    daemon.sounds = {"alarm": encoded(wrong), "reference": encoded(normal)}
    return explain(
        wrong, NormalSound("reference/3", normal), NearestNormal("reference/3", kind="reference", distance=0.31)
    )


@pytest.mark.slow
def test_the_pictures_of_the_readme_show_a_factory_with_one_alarm(
    daemon: FakeDaemon, visit: Visit, folder: Path
) -> None:
    evidence = asdict(heard_wrong(daemon))
    assert evidence["bands"]
    earlier = daemon.raise_alarm("pump-1", "source", reason="no sound for 12 s: the device is away")
    daemon.change(earlier["alarm_id"], "acknowledged", "Anna", acknowledged=True, acknowledged_by="Anna")
    daemon.clear(earlier["alarm_id"])
    daemon.raise_alarm("gearbox-1", evidence=evidence, raised_at=utc_text(time.time() - 190.0))
    daemon.score("gearbox-1", 1.45 * THRESHOLD)
    desk = visit(viewport={"width": 1440, "height": 1100}, hour=hour_of).page
    expect(desk.locator(".alarm h3")).to_have_text("gearbox-1 sounds unusual")
    expect(desk.locator('.tile[data-machine="valve-1"] .strip-line')).to_have_attribute("d", LONG)
    expect(desk.locator(".event")).to_have_count(4)
    take(desk, folder / "dashboard.png")
    desk.get_by_role("button", name="Open", exact=True).click()
    expect(desk.locator('[data-part="difference-plot"] .heatmaplayer image')).to_be_visible(timeout=20_000)
    expect(desk.locator("dialog .loading")).to_be_hidden()
    take(desk, folder / "alarm.png")
    phone = visit(viewport={"width": 390, "height": 844}, color_scheme="dark", hour=hour_of).page
    expect(phone.locator(".alarm h3")).to_have_text("gearbox-1 sounds unusual")
    expect(phone.locator(".tile").first).to_be_attached()
    take(phone, folder / "phone.png")


LONG = re.compile(".{2000,}")
