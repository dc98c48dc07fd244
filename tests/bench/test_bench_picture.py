"""The picture of a measurement."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from asdstream.bench.findings import Findings
from asdstream.bench.machine import Machine
from asdstream.bench.paced_run import PacedRun
from asdstream.bench.picture import HEIGHT, WIDTH, draw_bench
from asdstream.bench.report import Report, Setting
from asdstream.bench.steady_rate import SteadyRate
from asdstream.drawing.sheet import ALARMING, CALM

LEGEND = 70
"""Below these pixels there is nothing but the measurement."""
HELD = PacedRun(10, 1.0, 20.0, 200, 200, 0, 0, tuple([0.2] * 197 + [0.4] * 3), 400_000_000, 0.9)
SHED = PacedRun(12, 1.0, 20.0, 240, 200, 40, 0, tuple([2.0] * 200), 400_000_000, 1.0)
LATENCY = replace(HELD, channels=7)


def drawn(findings: Findings) -> NDArray[np.uint8]:
    machine = Machine("0.1.0", "3.11", "2.13", "Some Processor", 2, "cpu", "float32", 2)
    setting = Setting("demo", "ab12", "fan", "off", 1.0, 8, 20.0, 0.7)
    report = Report(setting, machine, findings, "", None, datetime(2026, 11, 22, tzinfo=UTC))
    picture = np.array(Image.open(io.BytesIO(draw_bench(report))).convert("RGB"))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    return picture[LEGEND:]


def places(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = np.nonzero((picture == colour).all(axis=2))
    return rows, columns


def test_what_was_held_and_what_was_not_are_told_apart_and_more_latency_is_higher_up() -> None:
    picture = drawn(Findings(LATENCY, SteadyRate(250, 20.0), 10, (SHED, HELD)))
    held_rows, held_columns = places(picture, CALM)
    shed_rows, shed_columns = places(picture, ALARMING)
    assert held_columns.max() < shed_columns.min(), "12 channels are to the right of 10"
    assert shed_rows.max() < held_rows.min(), "2 s are over 0.4 s"


def test_a_number_of_channels_that_was_asked_for_is_drawn_alone() -> None:
    picture = drawn(Findings(HELD))
    assert len(places(picture, CALM)[0]) > 20
    assert not len(places(picture, ALARMING)[0])


def test_where_no_window_was_scored_there_is_nothing_to_draw() -> None:
    silent = PacedRun(1, 1.0, 20.0, 20, 0, 0, 20, (), 1)
    picture = drawn(Findings(None, SteadyRate(1, 20.0), 0, (silent,)))
    assert not len(places(picture, CALM)[0])
    assert (picture < 100).any(), "it is said"
