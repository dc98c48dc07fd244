"""Grinders and drills: a universal motor at 10 000 turns and more, slower the harder one pushes.

The main shaft is the one of the motor; the spindle sits behind a gear, and the work comes and goes.
"""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import bent_shaft, commutator_sparks, worn_teeth
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.gear import GearPair, mesh
from asdstream.audio.simulator.machines.parts import brushed_motor, sound_bearings
from asdstream.audio.simulator.profile import changing_speed
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def grinder(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(9_000.0, 22_000.0)
    hertz = rated / 60.0
    rng = plate.rng("spindle")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    pair = GearPair(int(rng.integers(7, 14)), int(rng.integers(30, 48)))
    spindle = pair.wheel_ratio
    blades = int(rng.integers(7, 14))
    segments = int(rng.integers(10, 18))
    head_modes = draw_modes(rng, 350.0, 7_000.0, 18, (0.01, 0.05))
    head = casing(head_modes, rate, float(rng.uniform(1.0, 4.0)))
    gears = mesh(rng, pair.pinion, float(rng.uniform(0.2, 0.6)), below)
    air = turbulence(rng, (900.0, 4_000.0), rate)
    work_modes = draw_modes(rng, 700.0, 7_500.0, 20, (0.01, 0.06))
    work = Friction(
        "work",
        125,
        float(rng.uniform(2.0, 6.0)),
        0.5,
        2.0,
        1.0,
        envelope=ripple(float(rng.uniform(0.1, 0.6))),
        envelope_ratio=spindle,
    )
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(Noise("air", 2.5, 0.0, 0.5, ripple(0.3, blades)), 0.0, air),
        Voice(Rotation(blade_pass(rng, blades, below), 1.0, 2.5, 0.2, 0.5, "fan"), rng.uniform(-12.0, -3.0), air),
        Voice(Rotation(gears, 1.0, 1.0, 0.7, 0.6, "mesh"), rng.uniform(-8.0, 1.0), head),
        Voice(work, rng.uniform(-8.0, 2.0), ring(work_modes, rate)),
        *brushed_motor(plate, rated, rng.uniform(-6.0, 1.0), segments),
        *sound_bearings(plate, rng.uniform(-22.0, -14.0), spindle),
    ]
    profile = None
    if rng.random() < 0.6:
        profile = changing_speed(rng, int(rng.integers(2, 6)), (0.7, 4.0), float(rng.uniform(0.6, 0.9)), 0.4)
    faults = {
        "commutator_sparks": commutator_sparks(plate.rng("sparks"), segments, rate),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), pair.wheel, hertz, rate, spindle),
        "bent_shaft": bent_shaft(plate.rng("bent shaft"), hertz, rate, spindle),
        "imbalance": imbalance(plate.rng("imbalance"), air, below),
        "looseness": looseness(plate.rng("looseness"), hertz, rate, spindle),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(
            plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate, shaft_ratio=spindle
        )
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.15,
        speed_depth=0.005,
        load_depth=0.2,
        flutter_depth=0.004,
        profile=profile,
        bearing=bearing,
        bearing_ratio=spindle,
        gear=pair,
        enclosure=enclosure(plate.rng("enclosure"), (-1.0, 4.0), rate),
    )
