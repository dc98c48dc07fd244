"""The report of a measurement."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from asdstream.bench.findings import Findings
from asdstream.bench.machine import Machine, processor_name
from asdstream.bench.memory import resident_bytes
from asdstream.bench.paced_run import PacedRun
from asdstream.bench.plan import Plan
from asdstream.bench.report import Report, Setting
from asdstream.bench.steady_rate import SteadyRate
from asdstream.config import ConfigError

MACHINE = Machine("0.1.0", "3.11", "2.13", "Some Processor", 2, "cpu", "float32", 2)
SETTING = Setting("demo", "ab12", "fan", "off", 1.0, 8, 20.0, 0.7)
RUN = PacedRun(7, 1.0, 20.0, 140, 140, 0, 0, tuple([0.2] * 139 + [0.4]), 400_000_000, 0.69)
WHOLE = Findings(RUN, SteadyRate(250, 20.0, 500.0), 10, (RUN,))


def report(findings: Findings, energy: str = "package-0 (RAPL)") -> Report:
    return Report(SETTING, MACHINE, findings, energy, None, datetime(2026, 11, 22, tzinfo=UTC))


def shown(report: Report) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(report.table())
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_the_table_says_each_figure_and_how_it_came_about() -> None:
    text = shown(report(WHOLE))
    for part in ("12.5", "0.500", "25 W, package-0 (RAPL)", "0.200 s", "70% of those held", "140 of 140", "400 MB"):
        assert part in text
    assert "Some Processor, threads 2, float32" in text


def test_what_the_hardware_does_not_tell_is_said_to_be_not_told() -> None:
    untold = report(Findings(RUN, SteadyRate(250, 20.0), 10, (RUN,)), "the processor shows no energy counters")
    assert "not told │ the processor shows no energy counters" in shown(untold)
    assert untold.to_json()["rate"]["windows_per_joule"] is None  # type: ignore[index]


def test_json_holds_the_figures_in_full_and_no_value_that_json_does_not_know() -> None:
    data = json.loads(json.dumps(report(WHOLE).to_json(), allow_nan=False))
    assert data["schema"] == "asd.bench/1"
    assert data["rate"]["windows_per_second"] == 12.5
    assert data["channels_held"] == 10
    assert data["latency"]["p99_s"] == 0.2
    assert data["machine"]["precision"] == "float32"
    silent = PacedRun(7, 1.0, 20.0, 140, 0, 140, 0, (), 1)
    data = json.loads(json.dumps(report(Findings(silent)).to_json(), allow_nan=False))
    assert (data["rate"], data["channels_held"], data["latency"]["p99_s"]) == (None, None, None)


def test_a_machine_that_holds_not_even_one_channel_is_reported_as_such() -> None:
    found = Findings(None, SteadyRate(1, 20.0), 0, (RUN,))
    assert "channels held │ 0" in shown(report(found))
    assert report(found).to_json()["latency"] is None


def test_fewer_channels_that_are_shed_although_more_were_held_call_for_another_measurement() -> None:
    shed = replace(RUN, scored=130, shed=10)
    disturbed = report(Findings(shed, SteadyRate(250, 20.0, 500.0), 10, (replace(RUN, channels=10),)))
    assert "caution" in shown(disturbed)
    assert "measure again" in shown(disturbed)
    assert disturbed.to_json()["disturbed"] is True
    assert "caution" not in shown(report(WHOLE))
    assert report(WHOLE).to_json()["disturbed"] is False
    assert not Findings(shed).disturbed, "a number that was asked for may be too large"


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [({"hop_s": 0.123}, "no multiple of 10 ms.*0.12 s is right"), ({"hop_s": 5.0, "seconds": 9.0}, "at least 10 are")],
)
def test_a_plan_that_is_no_good_is_refused_before_anything_is_measured(plan: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Plan(**plan)  # type: ignore[arg-type]


@pytest.mark.parametrize("hop_s", [0.1, 0.29, 0.57, 1.0, 10.0])
def test_hops_of_whole_frames_are_taken(hop_s: float) -> None:
    assert Plan(hop_s=hop_s).hop_s == hop_s


def test_a_processor_says_its_name_where_it_can(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some Processor @ 2 GHz\n")
    assert processor_name(cpuinfo) == "Some Processor @ 2 GHz"
    assert processor_name(tmp_path / "none")


def test_resident_memory_is_counted_in_bytes(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("900 250 30 1 0 100 0\n")
    assert resident_bytes(statm) % 250 == 0
    assert resident_bytes() > 10_000_000
