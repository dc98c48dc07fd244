"""Toy trains on a track of pieces: a small motor, wheels over the joints in the rhythm of the axles, laps.

The main shaft is the one of the motor.
"""

from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import (
    bent_shaft,
    commutator_sparks,
    flat_spot,
    foreign_object,
    rub,
    worn_teeth,
)
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import looseness
from asdstream.audio.simulator.flow import jet, ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.gear import GearPair, mesh
from asdstream.audio.simulator.machines.parts import brushed_motor
from asdstream.audio.simulator.profile import changing_speed, run_and_stop
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation
from asdstream.audio.simulator.voice import Voice


def toy_train(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(2_500.0, 9_000.0)
    hertz = rated / 60.0
    rng = plate.rng("drive")
    rate = plate.sample_rate
    pair = GearPair(int(rng.integers(8, 15)), int(rng.integers(20, 41)))
    axle = pair.wheel_ratio * float(rng.uniform(0.25, 0.7))
    lap = float(rng.uniform(0.06, 0.25)) / hertz
    joints = float(rng.uniform(1.0, 3.5)) / hertz
    track_modes = draw_modes(rng, 200.0, 6_000.0, 22, (0.02, 0.1), rng.uniform(0.0, 4.0))
    track, body = ring(track_modes, rate), casing(track_modes, rate, float(rng.uniform(2.0, 6.0)))
    rails = turbulence(rng, (500.0, 2_500.0), rate)
    # Wheel sets of one bogie stand close together, those of two bogies far apart.
    near, far = float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.35, 0.6))
    places = [0.0, near, far, far + near][: int(rng.integers(2, 5))]
    level = rng.uniform(-6.0, 2.0)
    clacks = [
        Voice(
            PulseTrain(f"joint {n}", joints, joints * hertz, at, 0.01, 0.5, speed_power=1.0),
            level + rng.uniform(-2.0, 2.0),
            track,
        )
        for n, at in enumerate(places)
    ]
    past = ripple(float(rng.uniform(0.1, 0.5)))
    roll = Friction("roll", 250, float(rng.uniform(1.5, 5.0)), 1.3, 0.3, envelope=past, envelope_ratio=lap)
    flange = Friction("flange", 50, 5.0, 1.0, envelope=rub(0.12), envelope_ratio=2.0 * lap)
    play = PulseTrain("play", pair.pinion / 5.0, pair.pinion / 5.0 * hertz, 0.0, 1.0, 0.8, past, lap, 1.2, 0.4)
    gears = mesh(rng, pair.pinion, float(rng.uniform(0.2, 0.7)), plate.below_order(rated))
    voices = [
        Voice(roll, 0.0, rails),
        *clacks,
        Voice(flange, rng.uniform(-18.0, -8.0), jet(rng, (2_500.0, 6_000.0), rate)),
        Voice(play, rng.uniform(-10.0, -2.0), track),
        Voice(Rotation(gears, 1.0, 1.2, 0.5, 0.8, "mesh"), rng.uniform(-12.0, -3.0), body),
        *brushed_motor(plate, rated, rng.uniform(-9.0, -1.0), int(rng.choice([6, 10]))),
    ]
    kind = rng.random()
    profile = None
    if kind < 0.3:
        profile = run_and_stop(rng, (6.0, 14.0), (0.5, 2.5))
    elif kind < 0.6:
        profile = changing_speed(rng, int(rng.integers(2, 4)), (2.0, 6.0), 0.65, 0.8)
    faults = {
        "flat_spot": flat_spot(plate.rng("flat spot"), hertz, rate, axle),
        "bent_shaft": bent_shaft(plate.rng("bent shaft"), hertz, rate, axle),
        "foreign_object": foreign_object(plate.rng("object"), hertz, rate, joints),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), pair.wheel, hertz, rate, pair.wheel_ratio),
        "commutator_sparks": commutator_sparks(plate.rng("sparks"), 6, rate),
        "looseness": looseness(plate.rng("looseness"), hertz, rate, axle),
    }
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.1,
        speed_depth=0.015,
        load_depth=0.12,
        flutter_depth=rng.uniform(0.006, 0.03),
        profile=profile,
        gear=pair,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 6.0), rate),
    )
