"""A motor on its bearings: the machine type "bearing"."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.resonance import casing, draw_modes
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def bearing_rig(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(900.0, 3_550.0)
    hertz = rated / 60.0
    rng = plate.rng("rig")
    below = plate.below_order(rated)
    slots = int(rng.integers(24, 49))
    frame = casing(draw_modes(rng, 300.0, 4_000.0, 8, (0.01, 0.04)), plate.sample_rate, float(rng.uniform(1.0, 3.0)))
    coupling = turbulence(rng, (300.0, 1_500.0), plate.sample_rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        *motor(plate, rated, 0.0),
        Voice(Rotation(blade_pass(rng, slots, below), 1.0, 1.0, 0.7, 0.4, "slots"), rng.uniform(-18.0, -8.0), frame),
        Voice(Noise("coupling", 2.5, 0.0, 0.4, ripple(0.3)), rng.uniform(-12.0, -5.0), coupling),
        *sound_bearings(plate, rng.uniform(-16.0, -8.0)),
    ]
    faults = {
        "imbalance": imbalance(plate.rng("imbalance"), coupling, below),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate),
    }
    for part in ("outer_race", "inner_race", "ball"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate)
    return Design(rated, tuple(voices), faults, slip=0.04, speed_depth=0.002, load_depth=0.08, bearing=bearing)
