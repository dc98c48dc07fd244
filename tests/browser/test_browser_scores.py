"""The page that `asdstream score --picture` writes, in a real browser, from the disk."""

from pathlib import Path

from drawing.scored_noise import scored_noise
from playwright.sync_api import Browser, Request, expect

from asdstream.drawing.recordings_page import recordings_page


def test_a_page_of_scores_draws_itself_without_a_network(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "scores.html"
    path.write_text(recordings_page([scored_noise(*[0.5] * 20, *[2.0] * 20), scored_noise(0.5)]))
    context = chromium.new_context(offline=True)
    page = context.new_page()
    complaints: list[str] = []
    fetched: list[str] = []

    def note(request: Request) -> None:
        fetched.append(request.url.partition(":")[0])

    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note)
    page.goto(path.as_uri())
    expect(page.locator(".heatmaplayer image")).to_have_count(2)
    expect(page.locator(".barlayer .point")).to_have_count(41)
    expect(page.get_by_text("threshold 1.0000", exact=True)).to_have_count(2)
    assert complaints == []
    assert set(fetched) <= {"file", "data", "blob"}
    context.close()
