"""Axial and centrifugal fans: blade pass over turbulent air."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.resonance import casing, draw_modes
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def fan(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(700.0, 3_200.0)
    hertz = rated / 60.0
    rng = plate.rng("impeller")
    blades = int(rng.integers(3, 14))
    below = plate.below_order(rated)
    duct = casing(draw_modes(rng, 80.0, 1_800.0, 8, (0.02, 0.1)), plate.sample_rate, float(rng.uniform(0.5, 2.0)))
    air = turbulence(rng, (150.0, 1_500.0), plate.sample_rate)
    edge = turbulence(rng, (1_500.0, 5_000.0), plate.sample_rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(Rotation(blade_pass(rng, blades, below), 1.0, 2.5, 0.3, 0.8, "blades"), rng.uniform(-10.0, 0.0), duct),
        Voice(Noise("air", 2.5, 0.4, 0.6, ripple(rng.uniform(0.0, 0.25), blades)), 0.0, air),
        Voice(Noise("edge", 2.7, 0.2, 0.6, ripple(rng.uniform(0.1, 0.5), blades)), rng.uniform(-18.0, -8.0), edge),
        *motor(plate, rated, rng.uniform(-10.0, -4.0)),
        *sound_bearings(plate, rng.uniform(-26.0, -18.0)),
    ]
    faults = {
        "imbalance": imbalance(plate.rng("imbalance"), air, below),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate),
    }
    for part in ("outer_race", "inner_race", "ball"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate)
    return Design(rated, tuple(voices), faults, slip=0.03, speed_depth=0.003, load_depth=0.06, bearing=bearing)
