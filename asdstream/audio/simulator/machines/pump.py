"""Centrifugal pumps: vane pass and turbulent water behind a casing."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, cavitation, imbalance, leak, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.resonance import casing, draw_modes
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def pump(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(1_200.0, 3_550.0)
    hertz = rated / 60.0
    rng = plate.rng("impeller")
    vanes = int(rng.integers(4, 10))
    below = plate.below_order(rated)
    volute = casing(draw_modes(rng, 200.0, 3_000.0, 9, (0.01, 0.05)), plate.sample_rate, float(rng.uniform(1.0, 4.0)))
    water = turbulence(rng, (200.0, 900.0), plate.sample_rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(Rotation(blade_pass(rng, vanes, below), 1.0, 2.0, 0.5, 0.6, "vanes"), rng.uniform(-6.0, 1.0), volute),
        Voice(Noise("water", 2.0, 0.6, 0.8, ripple(rng.uniform(0.05, 0.3), vanes)), -3.0, water),
        *motor(plate, rated, rng.uniform(-5.0, 1.0)),
        *sound_bearings(plate, rng.uniform(-22.0, -14.0)),
    ]
    faults = {
        "cavitation": cavitation(plate.rng("cavitation"), vanes, plate.sample_rate),
        "leak": leak(plate.rng("leak"), plate.sample_rate, ripple(0.4), 1.0),
        "imbalance": imbalance(plate.rng("imbalance"), water, below),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate),
    }
    for part in ("outer_race", "inner_race", "ball"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate)
    return Design(rated, tuple(voices), faults, slip=0.04, speed_depth=0.001, load_depth=0.1, bearing=bearing)
