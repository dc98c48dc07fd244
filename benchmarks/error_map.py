"""How often the strongest region of the error map lies where a simulated fault really is.

A faulty window is mapped against normal sound of another recording of the same machine. Where the fault is, is known
from the same window without it: the bands of the map of which it raises the level by 3 dB or more. "Chance" is how
often a band drawn at random would lie there.

python benchmarks/error_map.py [--bundle BUNDLE] [--identities N] [--severity S ...] [--json FILE] [--at-least RATE]
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdstream import bundle as bundles
from asdstream.audio.simulator import Fault, MachineSpec, Simulator, faults_of, machine_types
from asdstream.audio.window import SAMPLE_RATE
from asdstream.engine.embedder import Embedder
from asdstream.evidence.error_mapping import ErrorMapping

HEARD_DB = 3.0


@dataclass(slots=True)
class Tally:
    """Counts of windows.

    `heard`: the fault raises some band of the map by 3 dB; of those `there`: most of the strongest region's bands are
    among these, `nothing`: the map has no region; the rest are wrong.
    """

    windows: int = 0
    heard: int = 0
    there: int = 0
    nothing: int = 0
    chance: float = 0.0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def now(work: Callable[[], NDArray[np.float32]], within_s: float | None = None) -> NDArray[np.float32]:
    """Lends an engine that has nothing else to do."""
    del within_s
    return work()


def level_db(samples: NDArray[np.float32], edges_hz: tuple[float, ...]) -> NDArray[np.float64]:
    """Of each band, over all of `samples`."""
    power = np.square(np.abs(np.fft.rfft(samples)))
    limits = np.round(np.array(edges_hz) * len(samples) / SAMPLE_RATE).astype(int)
    return np.asarray(10.0 * np.log10(np.add.reduceat(power[: limits[-1]], limits[:-1]) + 1e-12))


def measure(
    mapping: ErrorMapping, spec: MachineSpec, fault: str, severity: float, normal: NDArray[np.float32], seed: int
) -> Tally:
    """One window of a machine with a fault against 10 s of its `normal` sound."""
    parts = Simulator(spec, seed).render_parts(10.0, Fault(fault, severity))
    healthy = parts.machine + parts.background
    heard = healthy + parts.fault
    begun = time.perf_counter()
    found = mapping.map(heard, normal)
    if found is None:
        raise SystemExit("the bundle has no decoder; right would be one that has, such as builtin:demo")
    tally = Tally(1, seconds=time.perf_counter() - begun)
    truth = level_db(heard, found.edges_hz) - level_db(healthy, found.edges_hz) >= HEARD_DB
    if not truth.any():
        return tally
    tally.heard, tally.chance = 1, float(truth.mean())
    if found.region is None:
        tally.nothing = 1
        return tally
    edges = np.array(found.edges_hz)
    inside = (edges[:-1] >= found.region.low_hz) & (edges[1:] <= found.region.high_hz)
    # Of what is named most must be true, or naming everything would always be right.
    tally.there = int(truth[inside].mean() > 0.5)
    return tally


def run(
    bundle: str, types: tuple[str, ...], identities: tuple[int, ...], severities: tuple[float, ...]
) -> dict[str, dict[str, Tally]]:
    """By severity, by machine type."""
    engine = Embedder(bundles.load(bundles.resolve(bundle)), device="cpu", precision="float32", threads=1)
    mapping = ErrorMapping(engine, now)
    found: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for machine_type in types:
        for identity in identities:
            spec = MachineSpec(machine_type, identity)
            normal = Simulator(spec, 1_000 + identity).render(10.0)
            for fault in faults_of(machine_type):
                for severity in severities:
                    tally = measure(mapping, spec, fault, severity, normal, 2_000 + identity)
                    found[f"{severity:g}"][machine_type].add(tally)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bundle", default="builtin:demo", help="with AudioMAE's decoder (default builtin:demo)")
    parser.add_argument("--identities", type=int, default=2, help="machines of each type (default 2)")
    parser.add_argument("--severity", type=float, nargs="+", default=[1.0, 0.7], help="of the faults (default 1 0.7)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a rate of all types is under this")
    options = parser.parse_args()
    found = run(options.bundle, machine_types(), tuple(range(options.identities)), tuple(options.severity))
    worst, kept = 1.0, {}
    for severity, by_type in found.items():
        total = Tally()
        for tally in by_type.values():
            total.add(tally)
        print(f"severity {severity}")
        print(f"{'':<12}{'windows':>9}{'heard':>7}{'there':>7}{'nothing':>9}{'rate':>7}{'chance':>8}")
        for name, one in {**by_type, "all": total}.items():
            rate, chance = one.there / max(one.heard, 1), one.chance / max(one.heard, 1)
            print(f"{name:<12}{one.windows:>9}{one.heard:>7}{one.there:>7}{one.nothing:>9}{rate:>7.2f}{chance:>8.2f}")
        worst = min(worst, total.there / max(total.heard, 1))
        print(f"{1_000 * total.seconds / total.windows:.0f} ms for each")
        kept[severity] = {name: asdict(one) for name, one in {**by_type, "all": total}.items()}
    if options.json:
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return 0 if worst >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
