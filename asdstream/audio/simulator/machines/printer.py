"""Printers and positioning axes: a stepper motor that sings a new pitch at every move, over a small fan.

The main shaft is the one of the stepper at its fastest.
"""

from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import flat_spot, foreign_object, lost_steps, worn_teeth
from asdstream.audio.simulator.electric import Hum
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import belt_squeal
from asdstream.audio.simulator.flow import Noise, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.profile import changing_speed
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, blade_pass
from asdstream.audio.simulator.voice import Voice


def printer(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(90.0, 600.0)
    hertz = rated / 60.0
    rng = plate.rng("axis")
    rate = plate.sample_rate
    below = plate.below_order(rated)
    # A stepper of 1.8 degrees has 50 magnetic periods a turn and 200 steps.
    periods = int(rng.choice([12, 24, 50, 50]))
    pulley = int(rng.integers(14, 33))
    frame_modes = draw_modes(rng, 150.0, 5_000.0, 22, (0.01, 0.06), rng.uniform(0.0, 3.0))
    frame, knock = casing(frame_modes, rate, float(rng.uniform(2.0, 8.0))), ring(frame_modes, rate)
    glide = Friction("glide", 125, float(rng.uniform(1.5, 4.0)), 1.0, 0.3)
    belt = PulseTrain("belt", pulley, pulley * hertz, 0.0, 0.1, 0.3, speed_power=1.0)
    fan_hz = float(rng.uniform(40.0, 120.0))
    fan_tone = blade_pass(rng, int(rng.integers(5, 10)), 0.42 * rate / fan_hz)
    air = turbulence(rng, (400.0, 2_500.0), rate)
    voices = [
        Voice(Rotation(blade_pass(rng, periods, below), 1.0, 0.5, 0.3, 0.5, "magnets"), 0.0, frame),
        Voice(Rotation(blade_pass(rng, 4 * periods, below), 1.0, 0.7, 0.3, 0.5, "steps"), rng.uniform(-12, 0), frame),
        Voice(belt, rng.uniform(-14.0, -4.0), knock),
        Voice(glide, rng.uniform(-10.0, 0.0), turbulence(rng, (700.0, 3_500.0), rate)),
        Voice(Noise("fan air", 0.0, 0.0, 0.4), rng.uniform(-12.0, -3.0), air),
        Voice(Hum(fan_tone, fan_hz, name="fan", depth=0.003), rng.uniform(-20.0, -8.0), air),
    ]
    profile = changing_speed(
        rng,
        int(rng.integers(5, 13)),
        (float(rng.uniform(0.08, 0.3)), float(rng.uniform(0.4, 1.5))),
        float(rng.uniform(0.05, 0.4)),
        float(rng.uniform(0.04, 0.12)),
    )
    faults = {
        "lost_steps": lost_steps(plate.rng("lost steps"), periods, hertz, rate),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), pulley, hertz, rate),
        "flat_spot": flat_spot(plate.rng("flat spot"), hertz, rate),
        "foreign_object": foreign_object(plate.rng("object"), hertz, rate),
        "belt_squeal": belt_squeal(plate.rng("belt"), hertz, 0.4, rate),
    }
    return Design(
        rated,
        tuple(voices),
        faults,
        speed_depth=0.001,
        load_depth=0.08,
        flutter_depth=0.002,
        profile=profile,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 5.0), rate),
    )
