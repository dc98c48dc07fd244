"""Toy cars on a test stand: a small brushed motor, plastic gears with play, wheels on rollers.

The main shaft is the one of the motor; most cars run for a while, stand, and run again.
"""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import bent_shaft, commutator_sparks, flat_spot, foreign_object, worn_teeth
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, looseness
from asdstream.audio.simulator.flow import jet, ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.gear import GearPair, mesh
from asdstream.audio.simulator.machines.parts import brushed_motor
from asdstream.audio.simulator.profile import run_and_stop
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation
from asdstream.audio.simulator.voice import Voice


def toy_car(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(3_000.0, 11_000.0)
    hertz = rated / 60.0
    rng = plate.rng("drive")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    pair = GearPair(int(rng.integers(8, 13)), int(rng.integers(28, 51)))
    axle = pair.wheel_ratio * float(rng.uniform(0.5, 1.0))
    body_modes = draw_modes(rng, 250.0, 6_500.0, 24, (0.03, 0.12), rng.uniform(0.0, 5.0))
    body = casing(body_modes, rate, float(rng.uniform(2.0, 6.0)))
    rattle = ring(body_modes, rate)
    gears = mesh(rng, pair.pinion, float(rng.uniform(0.2, 0.7)), below)
    play = PulseTrain(
        "play",
        pair.pinion / 4.0,
        pair.pinion / 4.0 * hertz,
        0.0,
        1.0,
        0.8,
        ripple(float(rng.uniform(0.2, 0.8))),
        axle,
        1.2,
        0.4,
    )
    thumps = PulseTrain("wheels", 2.0 * axle, 2.0 * axle * hertz, 0.3, 0.15, 0.4, speed_power=1.5)
    rollers = turbulence(rng, (300.0, 1_100.0), rate)
    rolling = Friction(
        "rolling",
        250,
        float(rng.uniform(1.5, 4.0)),
        1.5,
        0.3,
        envelope=ripple(float(rng.uniform(0.1, 0.6))),
        envelope_ratio=axle,
    )
    whirr = Friction("whirr", 125, float(rng.uniform(1.0, 3.0)), 2.0)
    voices = [
        Voice(rolling, 0.0, rollers),
        Voice(Rotation(gears, 1.0, 1.2, 0.6, 0.8, "mesh"), rng.uniform(-12.0, -3.0), body),
        Voice(play, rng.uniform(-7.0, 0.0), rattle),
        Voice(thumps, rng.uniform(-12.0, -4.0), rattle),
        Voice(whirr, rng.uniform(-20.0, -10.0), jet(rng, (3_000.0, 6_500.0), rate)),
        *brushed_motor(plate, rated, rng.uniform(-8.0, -1.0), 6),
    ]
    profile = None
    if rng.random() < 0.7:
        profile = run_and_stop(rng, (5.0, 12.0), (0.5, 3.0))
    faults = {
        "bent_shaft": bent_shaft(plate.rng("bent shaft"), hertz, rate, axle),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), pair.wheel, hertz, rate, pair.wheel_ratio),
        "flat_spot": flat_spot(plate.rng("flat spot"), hertz, rate, axle),
        "foreign_object": foreign_object(plate.rng("object"), hertz, rate, axle),
        "commutator_sparks": commutator_sparks(plate.rng("sparks"), 6, rate),
        "looseness": looseness(plate.rng("looseness"), hertz, rate, axle),
        "outer_race": bearing_defect(
            plate.rng("defect"),
            bearing := draw_bearing(plate.rng("bearing geometry")),
            "outer_race",
            shaft_hz=hertz,
            sample_rate=rate,
            shaft_ratio=axle,
        ),
    }
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.1,
        speed_depth=0.01,
        load_depth=0.1,
        flutter_depth=rng.uniform(0.008, 0.035),
        profile=profile,
        bearing=bearing,
        bearing_ratio=axle,
        gear=pair,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 6.0), rate),
    )
