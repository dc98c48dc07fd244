"""Vacuum cleaners, blowers and hair dryers: a fast turbine, air through a hose or nozzle, a universal motor."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import blockage, commutator_sparks, foreign_object
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, leak
from asdstream.audio.simulator.flow import Noise, jet, ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.machines.parts import brushed_motor, sound_bearings
from asdstream.audio.simulator.profile import changing_speed
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def vacuum(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(8_000.0, 27_000.0)
    hertz = rated / 60.0
    rng = plate.rng("turbine")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    blades = int(rng.integers(6, 14))
    shell_modes = draw_modes(rng, 150.0, 5_000.0, 20, (0.02, 0.1), rng.uniform(0.0, 4.0))
    shell = casing(shell_modes, rate, float(rng.uniform(1.0, 4.0)))
    hose = casing(draw_modes(rng, 120.0, 2_500.0, 16, (0.02, 0.08)), rate, float(rng.uniform(1.0, 6.0)))
    intake = turbulence(rng, (250.0, 2_000.0), rate)
    dust = Friction("grit", 250, float(rng.uniform(3.0, 7.0)), 1.5, 0.5, 1.0)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(Noise("intake", 2.5, 0.3, 0.6, ripple(rng.uniform(0.0, 0.2))), 0.0, intake),
        Voice(Noise("hose", 2.2, 0.5, 0.8), rng.uniform(-8.0, 1.0), hose),
        Voice(Noise("outlet", 2.7, 0.0, 0.5), rng.uniform(-14.0, -3.0), jet(rng, (2_000.0, 5_500.0), rate)),
        Voice(dust, rng.uniform(-22.0, -8.0), ring(shell_modes, rate)),
        Voice(Rotation(blade_pass(rng, blades, below), 1.0, 2.5, 0.3, 0.5, "blades"), rng.uniform(-16.0, -4.0), shell),
        *brushed_motor(plate, rated, rng.uniform(-12.0, -3.0), int(rng.integers(10, 25))),
        *sound_bearings(plate, rng.uniform(-26.0, -18.0)),
    ]
    profile = None
    if rng.random() < 0.4:
        profile = changing_speed(rng, int(rng.integers(2, 5)), (2.0, 6.0), float(rng.uniform(0.65, 0.95)), 0.6)
    faults = {
        "blockage": blockage(plate.rng("blockage"), hertz, rate),
        "leak": leak(plate.rng("leak"), rate),
        "foreign_object": foreign_object(plate.rng("object"), 8.0, rate, 8.0 / hertz),
        "commutator_sparks": commutator_sparks(plate.rng("sparks"), 12, rate),
        "imbalance": imbalance(plate.rng("imbalance"), intake, below),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate)
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.12,
        speed_depth=0.004,
        load_depth=0.1,
        flutter_depth=0.002,
        profile=profile,
        bearing=bearing,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 6.0), rate),
    )
