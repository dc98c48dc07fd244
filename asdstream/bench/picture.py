"""A measurement to look at: latency against the number of channels."""

import math

from asdstream.bench.paced_run import PacedRun
from asdstream.bench.report import Report
from asdstream.drawing.scale import Scale, decade_ticks, round_ticks
from asdstream.drawing.sheet import ALARMING, CALM, FAINT, INK, LETTERS, Sheet

WIDTH, HEIGHT = 900, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 28, 92, 52
_LINE = 20
_MOST_TICKS = 10
_LEAST_S = 0.001
_CAPTION = "channels; latency runs from the end of a window until its score is encoded"


def draw_bench(report: Report) -> bytes:
    """PNG: p50 and p99 of every number of channels that was tried, and of that at which latency was measured.

    Both axes begin where nothing is lost: at no channel, and, logarithmically, under the shortest latency. Of a number
    of channels none of whose windows was scored there is no latency to draw.
    """
    found = report.findings
    runs = [run for run in (*found.tries, *([] if found.latency is None else [found.latency])) if run.latencies_s]
    runs.sort(key=lambda run: run.channels)
    sheet = Sheet(WIDTH, HEIGHT)
    _write_what_was_measured(sheet, report)
    if not runs:
        sheet.words(WIDTH // 2, HEIGHT // 2, "no window was scored, so there is no latency", anchor="mm")
        return sheet.png()
    most = max(*(run.channels for run in runs), found.channels_held or 0)
    channels = Scale(0.0, 1.08 * most, _LEFT, WIDTH - _RIGHT)
    # A latency of nothing has no place on a logarithmic scale.
    shortest, longest = max(_LEAST_S, min(run.p50 for run in runs)), max(_LEAST_S, *(run.p99 for run in runs))
    latency = Scale(shortest / 2.0, 2.0 * longest, HEIGHT - _BOTTOM, _TOP, math.log10)
    _draw_axes(sheet, channels, latency)
    if found.channels_held:
        x = channels.at(found.channels_held)
        sheet.line([(x, _TOP), (x, HEIGHT - _BOTTOM)])
        sheet.words(x, _TOP - 4, f"{found.channels_held} held", anchor="mb")
    for quantile in ("p50", "p99"):
        _draw_quantile(sheet, channels, latency, runs, quantile)
    return sheet.png()


def _write_what_was_measured(sheet: Sheet, report: Report) -> None:
    room = WIDTH - _LEFT - _RIGHT
    for line, text in enumerate((report.title, report.place)):
        sheet.words(_LEFT, 12 + line * _LINE, text, room=room)
    x, y = _LEFT, 12 + 2 * _LINE + LETTERS // 2
    for ink, hollow, name in (
        (CALM, True, "p50, held"),
        (CALM, False, "p99, held"),
        (ALARMING, True, "p50, not held"),
        (ALARMING, False, "p99, not held"),
    ):
        sheet.dot(x + 4, y, ink, hollow=hollow)
        sheet.words(x + 14, y, name, anchor="lm")
        x += 130


def _draw_axes(sheet: Sheet, channels: Scale, latency: Scale) -> None:
    for value, _ in decade_ticks(latency.low, latency.high):
        y = latency.at(value)
        sheet.line([(_LEFT, y), (WIDTH - _RIGHT, y)], FAINT)
    sheet.line([(_LEFT, _TOP), (_LEFT, HEIGHT - _BOTTOM), (WIDTH - _RIGHT, HEIGHT - _BOTTOM)])
    ticks = decade_ticks(latency.low, latency.high)
    sheet.left_axis(latency, _LEFT, [(value, f"{name} s") for value, name in ticks])
    whole = [
        (value, f"{value:.0f}") for value, _ in round_ticks(0.0, channels.high, _MOST_TICKS) if value == int(value)
    ]
    sheet.bottom_axis(channels, HEIGHT - _BOTTOM, whole)
    sheet.words((_LEFT + WIDTH - _RIGHT) // 2, HEIGHT - 8, _CAPTION, anchor="mb")


def _draw_quantile(sheet: Sheet, channels: Scale, latency: Scale, runs: list[PacedRun], quantile: str) -> None:
    places = [(channels.at(run.channels), latency.at(getattr(run, quantile))) for run in runs]
    if len(places) > 1:
        sheet.line(places, INK)
    for run, (x, y) in zip(runs, places, strict=True):
        sheet.dot(x, y, CALM if run.held else ALARMING, hollow=quantile == "p50")
