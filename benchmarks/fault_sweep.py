"""Every fault of simulated machines in turn, and how often it is said rightly where it is; `evidence.py` and
`error_map.py` are measured so.

A faulty window is compared with normal sound of another recording of the same machine. Where the fault is, is known
from the same window without it: the bands of which it raises the level by 3 dB or more. "Chance" is how often a band
drawn at random would lie there.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdstream import atomic
from asdstream.audio.simulator import Fault, MachineSpec, Simulator, faults_of, machine_types

HEARD_DB = 3.0
WINDOW_S = 10.0


@dataclass(slots=True)
class Tally:
    """Counts of windows.

    `heard`: the fault raises some band by 3 dB; of those `right`: what was named lies there, `nothing`: nothing was
    named; the rest are wrong. `chance` is summed over those that are heard, `seconds` over all.
    """

    windows: int = 0
    heard: int = 0
    right: int = 0
    nothing: int = 0
    chance: float = 0.0
    seconds: float = 0.0

    def add(self, other: Self) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def rate(self) -> float:
        """Share of `right` in `heard`."""
        return self.right / max(self.heard, 1)

    def further(self) -> dict[str, str]:
        """Columns of the table beside those that every tally has."""
        return {}


AnyTally = TypeVar("AnyTally", bound=Tally)


@dataclass(frozen=True, slots=True, eq=False)
class FaultyWindow:
    """Samples (n,) at 16 kHz: a window with a fault, the same without it, the fault alone; and other, normal sound."""

    heard: NDArray[np.float32]
    healthy: NDArray[np.float32]
    fault: NDArray[np.float32]
    normal: NDArray[np.float32]

    def raised(self, level_db: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Of each band that `level_db` tells the level of (bands,): whether the fault is heard in it."""
        return np.asarray(level_db(self.heard) - level_db(self.healthy) >= HEARD_DB)


def share_raised(raised: NDArray[np.bool_], edges_hz: ArrayLike, low_hz: float, high_hz: float) -> float:
    """Which share of the bands between two frequencies is among those that are `raised` (bands,)."""
    edges = np.asarray(edges_hz)
    return float(raised[(edges[:-1] >= low_hz) & (edges[1:] <= high_hz)].mean())


def sweep(
    measure: Callable[[FaultyWindow], AnyTally],
    types: Iterable[str],
    identities: Iterable[int],
    severities: Sequence[float],
) -> dict[str, dict[str, AnyTally]]:
    """What `measure` counts in one window of each fault, by severity and machine type."""
    found: dict[str, dict[str, AnyTally]] = {f"{severity:g}": {} for severity in severities}
    machines = [MachineSpec(machine_type, identity) for machine_type in types for identity in identities]
    for spec in machines:
        normal = Simulator(spec, 1_000 + spec.identity).render(WINDOW_S)
        for fault in faults_of(spec.machine_type):
            for severity in severities:
                parts = Simulator(spec, 2_000 + spec.identity).render_parts(WINDOW_S, Fault(fault, severity))
                healthy = parts.machine + parts.background
                tally = measure(FaultyWindow(healthy + parts.fault, healthy, parts.fault, normal))
                by_type = found[f"{severity:g}"]
                if spec.machine_type in by_type:
                    by_type[spec.machine_type].add(tally)
                else:
                    by_type[spec.machine_type] = tally
    return found


def options_of(description: str | None, identities: int) -> argparse.ArgumentParser:
    """The options of a sweep, to which a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0] if description else None)
    parser.add_argument(
        "--identities", type=int, default=identities, help=f"machines of each type (default {identities})"
    )
    parser.add_argument("--severity", type=float, nargs="+", default=[1.0, 0.7], help="of the faults (default 1 0.7)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a rate of all types is under this")
    return parser


def conclude(
    measure: Callable[[FaultyWindow], AnyTally], nothing: Callable[[], AnyTally], options: argparse.Namespace
) -> int:
    """Measure all machine types, print a table for each severity and write the file; the exit code."""
    found = sweep(measure, machine_types(), range(options.identities), options.severity)
    worst, kept = 1.0, {}
    for severity, by_type in found.items():
        total = nothing()
        for tally in by_type.values():
            total.add(tally)
        rows = {**by_type, "all": total}
        print(f"severity {severity}")
        _print_table(rows)
        print(f"{1_000 * total.seconds / total.windows:.0f} ms for each")
        worst = min(worst, total.rate)
        kept[severity] = {name: asdict(one) for name, one in rows.items()}
    if options.json:
        atomic.write_text(options.json, json.dumps(kept, indent=2) + "\n")
    return 0 if worst >= options.at_least else 1


def _print_table(rows: dict[str, AnyTally]) -> None:
    header = True
    for name, one in rows.items():
        row = {
            "windows": f"{one.windows}",
            "heard": f"{one.heard}",
            "right": f"{one.right}",
            "nothing": f"{one.nothing}",
            "rate": f"{one.rate:.2f}",
            "chance": f"{one.chance / max(one.heard, 1):.2f}",
            **one.further(),
        }
        if header:
            print(f"{'':<12}" + "".join(f"{column:>9}" for column in row))
            header = False
        print(f"{name:<12}" + "".join(f"{value:>9}" for value in row.values()))
