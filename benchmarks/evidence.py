"""How often the evidence names a band in which a simulated fault really is, for every machine type and fault.

A faulty window is compared with normal sound of another recording of the same machine. Where the fault is, is known
from the same window without it: the bands of which it raises the level by 3 dB or more. "Chance" is how often a band
drawn at random would lie there.

python benchmarks/evidence.py [--identities N] [--severity S ...] [--json FILE] [--at-least RATE]
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator import Fault, MachineSpec, Simulator, faults_of, machine_types
from asdstream.evidence.bands import EDGES_HZ, band_levels
from asdstream.evidence.evidence import NearestNormal
from asdstream.evidence.explanation import NormalSound, explain
from asdstream.evidence.repetition import repetition_hz

HEARD_DB = 3.0
SAME_RATE = 0.03
NEAREST = NearestNormal("", "reference", 0.0)


@dataclass(slots=True)
class Tally:
    """Counts of windows.

    `heard`: the fault raises some band by 3 dB; of those `named`: the first band of new energy lies there, `nothing`:
    no band of new energy is named; the rest are wrong. `quieter`: a band is said to be quieter, which is never true
    here. `rhythms`: the fault has a rhythm in the named band; `rhythms_named`: it is the one that is said.
    """

    windows: int = 0
    heard: int = 0
    named: int = 0
    nothing: int = 0
    quieter: int = 0
    rhythms: int = 0
    rhythms_named: int = 0
    chance: float = 0.0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def level_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each band, over all of `samples`."""
    return np.asarray(10.0 * np.log10(np.mean(10.0 ** (band_levels(samples) / 10.0), axis=0)))


def measure(spec: MachineSpec, fault: str, severity: float, normal: NDArray[np.float32], seed: int) -> Tally:
    """One window of a machine with a fault against 10 s of its `normal` sound."""
    parts = Simulator(spec, seed).render_parts(10.0, Fault(fault, severity))
    healthy = parts.machine + parts.background
    heard = healthy + parts.fault
    truth = level_db(heard) - level_db(healthy) >= HEARD_DB
    begun = time.perf_counter()
    evidence = explain(heard, NormalSound("reference/1", normal), NEAREST)
    tally = Tally(1, seconds=time.perf_counter() - begun)
    if not truth.any():
        return tally
    tally.heard, tally.chance = 1, float(truth.mean())
    tally.quieter = int(any(one.change_db < 0.0 for one in evidence.bands))
    new = next((one for one in evidence.bands if one.change_db > 0.0), None)
    if new is None:
        tally.nothing = 1
        return tally
    inside = (EDGES_HZ[:-1] >= new.low_hz) & (EDGES_HZ[1:] <= new.high_hz)
    # Of what is named most must be true, or naming everything would always be right.
    tally.named = int(truth[inside].mean() >= 0.5)
    rate = repetition_hz(parts.fault, new.low_hz, new.high_hz)
    if rate is not None and evidence.bands[0] is new:
        tally.rhythms = 1
        said = evidence.repetition_hz
        tally.rhythms_named = int(said is not None and abs(said / rate - 1.0) <= SAME_RATE)
    return tally


def run(types: tuple[str, ...], identities: int, severities: tuple[float, ...]) -> dict[str, dict[str, Tally]]:
    """By severity, by machine type."""
    found: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for machine_type in types:
        for identity in range(identities):
            spec = MachineSpec(machine_type, identity)
            normal = Simulator(spec, 1_000 + identity).render(10.0)
            for fault in faults_of(machine_type):
                for severity in severities:
                    tally = measure(spec, fault, severity, normal, 2_000 + identity)
                    found[f"{severity:g}"][machine_type].add(tally)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--identities", type=int, default=3, help="machines of each type (default 3)")
    parser.add_argument("--severity", type=float, nargs="+", default=[1.0, 0.7], help="of the faults (default 1 0.7)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a rate of all types is under this")
    options = parser.parse_args()
    found = run(machine_types(), options.identities, tuple(options.severity))
    worst, kept = 1.0, {}
    for severity, by_type in found.items():
        total = Tally()
        for tally in by_type.values():
            total.add(tally)
        print(f"severity {severity}")
        print(
            f"{'':<12}{'windows':>9}{'heard':>7}{'named':>7}{'nothing':>9}{'rate':>7}{'chance':>8}{'quieter':>9}",
            end="",
        )
        print(f"{'rhythm':>11}")
        for name, one in {**by_type, "all": total}.items():
            rate, chance = one.named / max(one.heard, 1), one.chance / max(one.heard, 1)
            print(
                f"{name:<12}{one.windows:>9}{one.heard:>7}{one.named:>7}{one.nothing:>9}{rate:>7.2f}{chance:>8.2f}",
                end="",
            )
            print(f"{one.quieter:>9}{one.rhythms_named:>6}/{one.rhythms:<4}")
        worst = min(worst, total.named / max(total.heard, 1))
        print(f"{1_000 * total.seconds / total.windows:.0f} ms for each")
        kept[severity] = {name: asdict(one) for name, one in {**by_type, "all": total}.items()}
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return 0 if worst >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
