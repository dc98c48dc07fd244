"""How often the strongest region of the error map lies where a simulated fault really is.

What is counted, and how it is known where a fault is: `fault_sweep.py`. A region is right of whose bands more than half
are raised by the fault.

python benchmarks/error_map.py [--bundle BUNDLE] [--identities N] [--severity S ...] [--json FILE] [--at-least RATE]
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from fault_sweep import FaultyWindow, Tally, conclude, options_of, share_raised
from numpy.typing import NDArray

from asdstream import bundle as bundles
from asdstream.audio.window import SAMPLE_RATE
from asdstream.engine.embedder import Embedder
from asdstream.evidence.error_mapping import ErrorMapping


def now(work: Callable[[], NDArray[np.float32]], within_s: float | None = None) -> NDArray[np.float32]:
    """Lends an engine that has nothing else to do."""
    del within_s
    return work()


def level_db(samples: NDArray[np.float32], edges_hz: tuple[float, ...]) -> NDArray[np.float64]:
    """Of each band, over all of `samples`."""
    power = np.square(np.abs(np.fft.rfft(samples)))
    limits = np.round(np.array(edges_hz) * len(samples) / SAMPLE_RATE).astype(int)
    return np.asarray(10.0 * np.log10(np.add.reduceat(power[: limits[-1]], limits[:-1]) + 1e-12))


def measure_with(bundle: str) -> Callable[[FaultyWindow], Tally]:
    """Measures one window of a machine with a fault by the encoder and decoder of `bundle`."""
    engine = Embedder(bundles.load(bundles.resolve(bundle)), device="cpu", precision="float32", threads=1)
    mapping = ErrorMapping(engine, now)

    def measure(window: FaultyWindow) -> Tally:
        begun = time.perf_counter()
        found = mapping.map(window.heard, window.normal)
        if found is None:
            raise SystemExit("the bundle has no decoder; right would be one that has, such as builtin:demo")
        tally = Tally(1, seconds=time.perf_counter() - begun)
        raised = window.raised(lambda samples: level_db(samples, found.edges_hz))
        if not raised.any():
            return tally
        tally.heard, tally.chance = 1, float(raised.mean())
        if found.region is None:
            tally.nothing = 1
            return tally
        # Of what is named most must be true, or naming everything would always be right.
        tally.right = int(share_raised(raised, found.edges_hz, found.region.low_hz, found.region.high_hz) > 0.5)
        return tally

    return measure


def main() -> int:
    parser = options_of(__doc__, identities=2)
    parser.add_argument("--bundle", default="builtin:demo", help="with AudioMAE's decoder (default builtin:demo)")
    options = parser.parse_args()
    return conclude(measure_with(options.bundle), Tally, options)


if __name__ == "__main__":
    sys.exit(main())
