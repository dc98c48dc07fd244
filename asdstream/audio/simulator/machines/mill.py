"""Mills, crushers and coffee grinders: grains broken by the thousand between burrs that a motor turns."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import commutator_sparks, foreign_object, worn_teeth
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, imbalance, looseness
from asdstream.audio.simulator.flow import ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.machines.parts import brushed_motor, sound_bearings
from asdstream.audio.simulator.profile import run_and_stop
from asdstream.audio.simulator.pulse import RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, harmonics
from asdstream.audio.simulator.voice import Voice


def mill(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(400.0, 6_000.0)
    hertz = rated / 60.0
    rng = plate.rng("burrs")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    motor_ratio = float(rng.uniform(1.0, max(1.0, 15_000.0 / rated) ** 0.5))
    teeth = int(rng.integers(9, 40))
    bowl_modes = draw_modes(rng, 200.0, 6_000.0, 24, (0.015, 0.09), rng.uniform(0.0, 3.0))
    bowl, crush = casing(bowl_modes, rate, float(rng.uniform(1.0, 5.0))), ring(bowl_modes, rate)
    segments = int(rng.integers(8, 17))
    uneven = ripple(float(rng.uniform(0.2, 0.9)))
    cracks = RandomPulses(
        "grains", float(rng.uniform(100.0, 1_500.0)), float(rng.uniform(0.7, 1.2)), uneven, 1.0, 1.0, 1.0
    )
    grist = Friction("grist", 250, float(rng.uniform(2.0, 6.0)), 1.0, 1.0, 1.5, uneven)
    burrs = harmonics(rng, 8, 0.6, below / teeth)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(cracks, rng.uniform(-4.0, 2.0), crush),
        Voice(grist, 0.0, turbulence(rng, (500.0, 3_500.0), rate)),
        Voice(Rotation(burrs, float(teeth), 1.0, 0.8, 0.8, "burrs"), rng.uniform(-12.0, -3.0), bowl),
        *brushed_motor(plate, rated, rng.uniform(-8.0, 1.0), segments, motor_ratio),
        *sound_bearings(plate, rng.uniform(-24.0, -16.0)),
    ]
    profile = run_and_stop(rng, (4.0, 14.0), (0.3, 2.0)) if rng.random() < 0.4 else None
    faults = {
        "foreign_object": foreign_object(plate.rng("object"), hertz, rate),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), teeth, hertz, rate),
        "commutator_sparks": commutator_sparks(plate.rng("sparks"), segments, rate),
        "imbalance": imbalance(plate.rng("imbalance"), bowl, below),
        "looseness": looseness(plate.rng("looseness"), hertz, rate),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate)
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.12,
        speed_depth=0.006,
        load_depth=0.2,
        flutter_depth=rng.uniform(0.002, 0.02),
        profile=profile,
        bearing=bearing,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 6.0), rate),
    )
