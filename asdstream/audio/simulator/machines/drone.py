"""Drones that hover: four rotors of nearly the same speed, which beat, under a controller that never rests."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import bent_shaft
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.machines.parts import sound_bearings
from asdstream.audio.simulator.profile import changing_speed
from asdstream.audio.simulator.resonance import casing, draw_modes
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def drone(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(3_500.0, 14_000.0)
    hertz = rated / 60.0
    rng = plate.rng("rotors")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    blades = int(rng.choice([2, 2, 3, 4]))
    frame = casing(draw_modes(rng, 200.0, 4_500.0, 18, (0.02, 0.1)), rate, float(rng.uniform(0.5, 3.0)))
    wake = turbulence(rng, (400.0, 2_500.0), rate)
    edge = turbulence(rng, (2_000.0, 5_500.0), rate)
    ratios = [1.0, *(1.0 + float(rng.normal(0.0, 0.015)) for _ in range(3))]
    propellers = [
        Voice(
            Rotation(blade_pass(rng, blades, below / ratio), ratio, 2.5, 0.5, 1.5, f"rotor {number}"),
            rng.uniform(-7.0, -1.0),
            frame,
        )
        for number, ratio in enumerate(ratios)
    ]
    poles = int(rng.choice([7, 9, 12]))
    voices = [
        *propellers,
        Voice(Noise("wake", 2.5, 0.4, 0.8, ripple(rng.uniform(0.1, 0.5), blades)), rng.uniform(-4.0, 2.0), wake),
        Voice(Noise("edge", 2.7, 0.2, 0.6, ripple(rng.uniform(0.2, 0.7), blades), ratios[1]), -6.0, edge),
        Voice(Rotation(blade_pass(rng, 3 * poles, below), 1.0, 1.0, 0.5, 0.5, "poles"), rng.uniform(-16, -6), frame),
        *sound_bearings(plate, rng.uniform(-26.0, -16.0)),
    ]
    profile = None
    if rng.random() < 0.5:
        profile = changing_speed(rng, int(rng.integers(3, 8)), (0.3, 2.5), float(rng.uniform(0.8, 0.95)), 0.5)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    faults = {
        "imbalance": imbalance(plate.rng("imbalance"), wake, below),
        "bent_shaft": bent_shaft(plate.rng("bent shaft"), hertz, rate, ratios[2]),
        "looseness": looseness(plate.rng("looseness"), hertz, rate),
    }
    for part in ("outer_race", "ball"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate)
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.03,
        speed_depth=0.004,
        load_depth=0.08,
        flutter_depth=rng.uniform(0.003, 0.015),
        profile=profile,
        bearing=bearing,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 5.0), rate),
    )
