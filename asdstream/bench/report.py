"""The findings as JSON and as a table."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.table import Table

from asdstream.bench.findings import Findings
from asdstream.bench.machine import Machine
from asdstream.bench.paced_run import PacedRun

SCHEMA = "asd.bench/1"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Setting:
    """What was measured, and how: `seconds` is the length of each part, `load` the share of the channels held."""

    bundle: str
    bundle_sha256: str
    machine_type: str
    separate: Literal["off", "on", "both"]
    hop_s: float
    max_batch: int
    seconds: float
    load: float


@dataclass(frozen=True, slots=True)
class Report:
    """`energy` says who told what was drawn, or why nobody did; `gpu_bytes` is what torch held on the GPU at most."""

    setting: Setting
    machine: Machine
    findings: Findings
    energy: str
    gpu_bytes: int | None
    at: datetime

    def to_json(self) -> Json:
        """As it is written to a file. Seconds, watts, joules and bytes; null is what was not measured or not told."""
        found = self.findings
        rate = found.rate
        return {
            "schema": SCHEMA,
            "at": self.at.astimezone(UTC).isoformat(timespec="seconds"),
            "machine": asdict(self.machine),
            "setting": asdict(self.setting),
            "rate": rate
            and {
                "windows_per_second": round(rate.per_second, 3),
                "windows_per_joule": _rounded(rate.per_joule, 5),
                "watts": _rounded(rate.watts, 2),
                "energy": self.energy,
                "windows": rate.windows,
                "seconds": round(rate.seconds, 3),
            },
            "channels_held": found.channels_held,
            "tries": [run_json(run) for run in found.tries],
            "disturbed": found.disturbed,
            "latency": found.latency and run_json(found.latency),
            "gpu_bytes": self.gpu_bytes,
        }

    @property
    def title(self) -> str:
        """What was measured."""
        setting = self.setting
        heard = {"off": "as it is", "on": "separated", "both": "both ways"}[setting.separate]
        return f"{setting.bundle}: {setting.machine_type} heard {heard}, a window every {setting.hop_s:g} s"

    @property
    def place(self) -> str:
        """On what it was measured."""
        machine = self.machine
        device = f"{machine.processor}, threads {machine.threads}" if machine.device == "cpu" else machine.device
        return f"{device}, {machine.precision}, asdstream {machine.asdstream}, torch {machine.torch}"

    def table(self) -> Table:
        """For a person to read."""
        table = Table(title=self.title, caption=self.place)
        table.add_column("figure", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("how")
        for row in self._rows():
            table.add_row(*row)
        return table

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        found, setting = self.findings, self.setting
        if found.rate is not None:
            yield (
                "windows per second",
                f"{found.rate.per_second:.1f}",
                f"embedded and scored in batches of {setting.max_batch} streams, {found.rate.seconds:.0f} s",
            )
            told = found.rate.per_joule is not None
            yield (
                "windows per second and watt",
                f"{found.rate.per_joule:.3f}" if told else "not told",
                f"{found.rate.watts:.0f} W, {self.energy}" if told else self.energy,
            )
        if found.channels_held is not None:
            tried = f"{len(found.tries)} tries of {setting.seconds:g} s in real time"
            yield "channels held", str(found.channels_held), f"nothing shed, {tried}"
        run = found.latency
        if run is not None:
            channels = f"{run.channels} channel{'s' if run.channels > 1 else ''}"
            share = "" if found.channels_held is None else f", {run.channels / found.channels_held:.0%} of those held"
            yield "latency p50", f"{run.p50:.3f} s", "from the end of a window until its score is encoded"
            yield "latency p99", f"{run.p99:.3f} s", f"{channels}{share}, {run.seconds:g} s"
            yield "windows scored", f"{run.scored} of {run.windows}", f"{run.shed} shed, {run.dropped} dropped"
            yield "engine busy", f"{run.busy:.0%}", "share of the time in which it computed"
            yield "resident memory", f"{run.resident_bytes / 1e6:.0f} MB", f"with {channels}"
        if found.disturbed:
            yield "caution", "", "fewer channels were shed than were held: something else ran, so measure again"
        if self.gpu_bytes is not None:
            yield "memory of the GPU", f"{self.gpu_bytes / 1e6:.0f} MB", "the most that was held"


def run_json(run: PacedRun) -> Json:
    """A paced run without its single latencies."""
    return {
        "channels": run.channels,
        "seconds": run.seconds,
        "windows": run.windows,
        "scored": run.scored,
        "shed": run.shed,
        "dropped": run.dropped,
        "held": run.held,
        "p50_s": _rounded(run.p50, 4),
        "p99_s": _rounded(run.p99, 4),
        "growth": round(run.growth, 4),
        "busy": round(run.busy, 4),
        "resident_bytes": run.resident_bytes,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)
