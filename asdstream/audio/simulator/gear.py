"""Gear pairs: tooth mesh with side bands at the spacing of both shafts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.shaft import TABLE, periodic


@dataclass(frozen=True, slots=True)
class GearPair:
    """Teeth on the driving and on the driven wheel."""

    pinion: int
    wheel: int

    @property
    def wheel_ratio(self) -> float:
        """Revolutions of the wheel per revolution of the pinion."""
        return self.pinion / self.wheel

    def mesh_hz(self, pinion_hz: float) -> float:
        return self.pinion * pinion_hz


def draw_gear_pair(rng: np.random.Generator) -> GearPair:
    """Common tooth counts; the wheel is 1.2 to 3 times the pinion and not a multiple of it."""
    pinion = int(rng.integers(15, 32))
    wheel = int(pinion * rng.uniform(1.2, 3.0))
    return GearPair(pinion, wheel + 1 if wheel % pinion == 0 else wheel)


def mesh(rng: np.random.Generator, teeth: int, side_bands: float, below_order: float) -> NDArray[np.float32]:
    """One revolution of a wheel: mesh harmonics m z with side bands m z +- j.

    Eccentricity and pitch errors modulate the mesh once (j = 1) and a few times per revolution; `side_bands` is the
    amplitude of the first pair over that of its carrier. Orders of `below_order` and above are left out.
    """
    harmonic = np.arange(1, 6)
    carrier = 10.0 ** (-(harmonic - 1) * rng.uniform(3.0, 8.0) / 20.0 + rng.normal(0.0, 2.0, 5) / 20.0)
    spacing = np.arange(-4, 5)
    # The tables of both wheels hold the carrier; its phase must not depend on the draw, or they might cancel.
    weight = np.where(spacing == 0, 1.0, side_bands * 0.5 ** (np.abs(spacing) - 1))
    scatter = np.where(spacing == 0, 1.0, 10.0 ** (rng.normal(0.0, 2.0, spacing.size) / 20.0))
    orders = (teeth * harmonic[:, None] + spacing).ravel()
    amplitudes = (carrier[:, None] * weight * scatter).ravel()
    amplitudes[orders >= below_order] = 0.0
    phases = np.where(spacing == 0, 0.0, rng.uniform(0.0, 2.0 * np.pi, spacing.size))
    return periodic(orders, amplitudes, np.tile(phases, harmonic.size))


def tooth_notch(teeth: int) -> NDArray[np.float32]:
    """The revolution of a wheel with one weak tooth: near 1 for two tooth widths, 0 elsewhere; (TABLE + 1,)."""
    x = np.arange(TABLE + 1) / TABLE
    distance = np.minimum(x, 1.0 - x) * teeth
    return np.exp(-0.5 * (distance / 0.8) ** 2).astype(np.float32)
