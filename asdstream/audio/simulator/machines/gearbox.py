"""Single-stage gearboxes: tooth mesh with side bands of both shafts."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, cracked_tooth, imbalance, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.gear import draw_gear_pair, mesh
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.resonance import casing, draw_modes
from asdstream.audio.simulator.shaft import Rotation
from asdstream.audio.simulator.voice import Voice


def gearbox(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(500.0, 2_400.0)
    hertz = rated / 60.0
    rng = plate.rng("gears")
    pair = draw_gear_pair(rng)
    ratio = pair.wheel_ratio
    below = plate.below_order(rated)
    pinion = mesh(rng, pair.pinion, float(rng.uniform(0.1, 0.35)), below)
    wheel = mesh(rng, pair.wheel, float(rng.uniform(0.1, 0.35)), below / ratio)
    case = casing(draw_modes(rng, 200.0, 4_500.0, 10, (0.01, 0.05)), plate.sample_rate, float(rng.uniform(1.0, 4.0)))
    churn = turbulence(rng, (250.0, 1_200.0), plate.sample_rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(Rotation(pinion, 1.0, 1.0, 0.8, 0.4, "mesh"), -3.0, case),
        Voice(Rotation(wheel, ratio, 1.0, 0.8, 0.4, "mesh"), -3.0, case),
        Voice(Noise("oil", 1.5, 0.3, 0.5, ripple(0.2)), rng.uniform(-10.0, -4.0), churn),
        *motor(plate, rated, rng.uniform(-10.0, -4.0)),
        *sound_bearings(plate, rng.uniform(-22.0, -14.0)),
    ]
    faults = {
        "cracked_tooth": cracked_tooth(plate.rng("crack"), pair, 1.0, hertz, plate.sample_rate),
        "imbalance": imbalance(plate.rng("imbalance"), churn, below),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate),
    }
    for part in ("outer_race", "inner_race", "ball"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate)
    return Design(
        rated, tuple(voices), faults, slip=0.03, speed_depth=0.002, load_depth=0.1, bearing=bearing, gear=pair
    )
