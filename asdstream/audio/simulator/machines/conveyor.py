"""Belt conveyors: many slow rollers behind a geared motor; the main shaft is the one of the rollers."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, belt_squeal, cracked_tooth, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.gear import draw_gear_pair, mesh
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation
from asdstream.audio.simulator.voice import Voice


def conveyor(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(120.0, 480.0)
    hertz = rated / 60.0
    rng = plate.rng("drive")
    pair = draw_gear_pair(rng)
    # The wheel sits on the roller shaft, the pinion on the motor.
    motor_ratio = pair.wheel / pair.pinion
    frame_modes = draw_modes(rng, 150.0, 3_000.0, 9, (0.02, 0.08))
    frame = casing(frame_modes, plate.sample_rate, float(rng.uniform(1.0, 3.0)))
    rattle = ring(frame_modes, plate.sample_rate)
    gear = mesh(rng, pair.pinion, float(rng.uniform(0.1, 0.4)), plate.below_order(rated, motor_ratio))
    bed = turbulence(rng, (200.0, 1_200.0), plate.sample_rate)
    belt_ratio = float(rng.uniform(0.03, 0.12))
    rollers = int(rng.integers(3, 9))
    bearing = draw_bearing(plate.rng("bearing geometry"))
    splice = PulseTrain("splice", belt_ratio * rollers, belt_ratio * rollers * hertz, 0.1, 0.05, 0.2, load_power=0.5)
    voices = [
        Voice(Noise("bed", 1.5, 0.5, 1.0, ripple(rng.uniform(0.1, 0.5)), belt_ratio), 0.0, bed),
        Voice(Rotation(gear, motor_ratio, 1.0, 0.7, 0.5, "mesh"), rng.uniform(-8.0, -2.0), frame),
        Voice(RandomPulses("rollers", float(rng.uniform(5.0, 40.0)), 0.7, ripple(0.5), 1.0, 1.0, 0.5), -8.0, rattle),
        Voice(splice, rng.uniform(-14.0, -7.0), rattle),
        *motor(plate, rated, rng.uniform(-8.0, -2.0), motor_ratio),
        *sound_bearings(plate, rng.uniform(-24.0, -16.0)),
    ]
    faults = {
        "belt_squeal": belt_squeal(plate.rng("belt"), hertz, 4.0 * belt_ratio, plate.sample_rate),
        "cracked_tooth": cracked_tooth(plate.rng("crack"), pair, motor_ratio, hertz, plate.sample_rate),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate, motor_ratio),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(
            plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate, shaft_ratio=motor_ratio
        )
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.03,
        speed_depth=0.003,
        load_depth=0.12,
        bearing=bearing,
        bearing_ratio=motor_ratio,
        gear=pair,
        gear_ratio=motor_ratio,
    )
