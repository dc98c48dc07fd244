"""How often the evidence names a band in which a simulated fault really is, for every machine type and fault.

What is counted, and how it is known where a fault is: `fault_sweep.py`. A band is right of which at least half of what
it spans is raised by the fault.

python benchmarks/evidence.py [--identities N] [--severity S ...] [--json FILE] [--at-least RATE]
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from fault_sweep import FaultyWindow, Tally, conclude, options_of, share_raised
from numpy.typing import NDArray

from asdstream.evidence.bands import EDGES_HZ, band_levels
from asdstream.evidence.evidence import NearestNormal
from asdstream.evidence.explanation import NormalSound, explain
from asdstream.evidence.repetition import repetition_hz

SAME_RATE = 0.03
NEAREST = NearestNormal("", "reference", 0.0)


@dataclass(slots=True)
class EvidenceTally(Tally):
    """Counts of windows; `right`: the first band of new energy lies where the fault is.

    `quieter`: a band is said to be quieter, which is never true here. `rhythms`: the fault has a rhythm in the named
    band; `rhythms_named`: it is the one that is said.
    """

    quieter: int = 0
    rhythms: int = 0
    rhythms_named: int = 0

    def further(self) -> dict[str, str]:
        return {"quieter": f"{self.quieter}", "rhythm": f"{self.rhythms_named}/{self.rhythms}"}


def level_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each band, over all of `samples`."""
    return np.asarray(10.0 * np.log10(np.mean(10.0 ** (band_levels(samples) / 10.0), axis=0)))


def measure(window: FaultyWindow) -> EvidenceTally:
    """One window of a machine with a fault."""
    raised = window.raised(level_db)
    begun = time.perf_counter()
    evidence = explain(window.heard, NormalSound("reference/1", window.normal), NEAREST)
    tally = EvidenceTally(1, seconds=time.perf_counter() - begun)
    if not raised.any():
        return tally
    tally.heard, tally.chance = 1, float(raised.mean())
    tally.quieter = int(any(one.change_db < 0.0 for one in evidence.bands))
    new = next((one for one in evidence.bands if one.change_db > 0.0), None)
    if new is None:
        tally.nothing = 1
        return tally
    # Of what is named most must be true, or naming everything would always be right.
    tally.right = int(share_raised(raised, EDGES_HZ, new.low_hz, new.high_hz) >= 0.5)
    rate = repetition_hz(window.fault, new.low_hz, new.high_hz)
    if rate is not None and evidence.bands[0] is new:
        tally.rhythms = 1
        said = evidence.repetition_hz
        tally.rhythms_named = int(said is not None and abs(said / rate - 1.0) <= SAME_RATE)
    return tally


def main() -> int:
    return conclude(measure, EvidenceTally, options_of(__doc__, identities=3).parse_args())


if __name__ == "__main__":
    sys.exit(main())
