"""How many times faster than real time the simulator is on one core, for each machine type.

python benchmarks/simulator.py [--seconds N] [--json FILE] [--at-least FACTOR]
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from asdstream.audio.simulator import Fault, MachineSpec, Simulator, faults_of, machine_types


def times_real_time(machine_type: str, seconds: float, fault: bool) -> float:
    """The best of three, each another stretch of a recording already set up; in CPU seconds, so that what else runs on
    the machine counts little."""
    simulator = Simulator(MachineSpec(machine_type), 0)
    kind = Fault(faults_of(machine_type)[-1]) if fault else None
    simulator.render(1.0, kind)
    best = 0.0
    for repeat in range(3):
        started = time.process_time()
        simulator.render(seconds, kind, start_s=repeat * seconds)
        best = max(best, seconds / (time.process_time() - started))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each rendering (default 20)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a machine type is slower than this")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = {}
    print(f"{'machine type':<14}{'set up, ms':>12}{'healthy':>10}{'faulty':>10}   (times real time, one core)")
    for machine_type in machine_types():
        started = time.process_time()
        Simulator(MachineSpec(machine_type, identity=999), 0)
        set_up_ms = 1_000.0 * (time.process_time() - started)
        healthy, faulty = (times_real_time(machine_type, options.seconds, fault) for fault in (False, True))
        rows[machine_type] = {"set_up_ms": set_up_ms, "healthy": healthy, "faulty": faulty}
        print(f"{machine_type:<14}{set_up_ms:>12.0f}{healthy:>10.0f}{faulty:>10.0f}")
    if options.json:
        facts = {"numpy": np.__version__, "python": platform.python_version(), "machine": platform.machine()}
        options.json.write_text(json.dumps({"times_real_time": rows, **facts}, indent=2) + "\n", encoding="utf-8")
    slowest = min(min(row["healthy"], row["faulty"]) for row in rows.values())
    return 0 if slowest >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
