"""What repeats with a shaft: harmonics of the running speed, blade pass, anything periodic in revolutions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk

TABLE = 16_384
"""Points of one period; a sine of order 300 read by linear interpolation is then 60 dB above its error."""
HIGHEST_ORDER = 1_000


def periodic(
    orders: NDArray[np.int64], amplitudes: NDArray[np.float64], phases: NDArray[np.float64]
) -> NDArray[np.float32]:
    """One period of the sum of a_k cos(2 pi k x + phase_k), of shape (TABLE + 1,), scaled to unit RMS.

    Orders above HIGHEST_ORDER are left out.
    """
    kept = (orders >= 1) & (orders <= HIGHEST_ORDER)
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    np.add.at(spectrum, orders[kept], amplitudes[kept] * np.exp(1j * phases[kept]))
    table = np.fft.irfft(spectrum, TABLE)
    table /= max(float(np.sqrt(np.mean(table**2))), 1e-30)
    return np.append(table, table[0]).astype(np.float32)


def read_table(table: NDArray[np.float32], periods: NDArray[np.float64]) -> NDArray[np.float32]:
    """The periodic function in `table` at `periods` (any real numbers), by linear interpolation."""
    position = (periods - np.floor(periods)) * (len(table) - 1)
    index = np.minimum(position.astype(np.intp), len(table) - 2)
    fraction = (position - index).astype(np.float32)
    below = table.take(index)
    return np.asarray(below + fraction * (table.take(index + 1) - below))


@dataclass(frozen=True, slots=True, eq=False)
class Rotation:
    """A periodic waveform that runs `ratio` times per revolution of the shaft.

    The level goes with (speed / rated)^speed_power (load / rated)^load_power: unbalance forces with the square of
    the speed, torque-borne sound with the load.
    """

    table: NDArray[np.float32]
    ratio: float = 1.0
    speed_power: float = 0.0
    load_power: float = 0.0
    swell_db: float = 0.0
    name: str = "rotation"

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        sound = read_table(self.table, self.ratio * chunk.turns_at_samples())
        sound *= chunk.level(self.speed_power, self.load_power, self.swell_db, self.name)
        return sound


def harmonics(rng: np.random.Generator, count: int, decay: float, below_order: float) -> NDArray[np.float32]:
    """Running-speed harmonics 1..count of random phase, falling by about `decay` per order with a scatter of 4 dB.

    Orders of `below_order` (half the sampling rate over the shaft speed) and above are left out.
    """
    orders = np.arange(1, count + 1)
    amplitudes = decay ** (orders - 1) * 10.0 ** (rng.normal(0.0, 4.0, count) / 20.0)
    amplitudes[orders >= below_order] = 0.0
    return periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, count))


def blade_pass(rng: np.random.Generator, blades: int, below_order: float) -> NDArray[np.float32]:
    """Blade-pass harmonics k B, each with shaft-order neighbours because no two blades are quite alike."""
    harmonic = np.arange(1, 9)
    level = 10.0 ** (-(harmonic - 1) * rng.uniform(4.0, 9.0) / 20.0 + rng.normal(0.0, 3.0, 8) / 20.0)
    offsets = np.array([0, -2, -1, 1, 2])
    unevenness = rng.uniform(0.03, 0.15) * np.array([0.0, 0.5, 1.0, 1.0, 0.5]) + np.array([1.0, 0, 0, 0, 0])
    orders = (blades * harmonic[:, None] + offsets).ravel()
    amplitudes = (level[:, None] * unevenness).ravel()
    amplitudes[orders >= below_order] = 0.0
    return periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, orders.size))
