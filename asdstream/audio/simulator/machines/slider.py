"""Linear slides: a carriage driven forth and back by a ball screw; the "speed" is in cycles per minute."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.cycle import Travel, TravelPulses, stroke
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.fault_sounds import FaultSound, belt_squeal
from asdstream.audio.simulator.flow import Noise, turbulence
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import harmonics
from asdstream.audio.simulator.voice import Voice


def slider(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(14.0, 40.0)
    hertz = rated / 60.0
    rng = plate.rng("axis")
    motion = stroke(float(rng.uniform(0.25, 0.45)))
    turns = float(rng.uniform(12.0, 40.0)) / max(rated / 20.0, 1.0)
    bed_modes = draw_modes(rng, 200.0, 4_500.0, 9, (0.01, 0.05))
    bed = casing(bed_modes, plate.sample_rate, float(rng.uniform(1.0, 3.0)))
    knock = ring(bed_modes, plate.sample_rate)
    # The screw turns fastest in the middle of a move; orders are limited for that moment.
    screw = harmonics(rng, 48, rng.uniform(0.85, 0.95), plate.below_order(rated, 8.0 * turns))
    balls = harmonics(rng, 6, 0.6, plate.below_order(rated, 64.0 * turns))
    glide = turbulence(rng, (500.0, 3_000.0), plate.sample_rate)
    line_hz = float(rng.choice([50.0, 60.0]))
    ends = [(name, at, -12.0) for name, at in zip("abcd", (0.0, 0.3, 0.5, 0.8), strict=True)]
    voices = [
        Voice(Travel(screw, motion, turns, 0.4), rng.uniform(-6.0, 0.0), bed),
        Voice(Travel(balls, motion, 8.0 * turns, 0.4), rng.uniform(-14.0, -6.0), bed),
        Voice(Noise("glide", 1.0, 0.4, 0.6, motion.speed), -2.0, glide),
        Voice(Hum(hum_table(rng), line_hz), rng.uniform(-24.0, -14.0), bed),
        *(
            Voice(PulseTrain(f"end {name}", 1.0, hertz, -at, 0.004, 0.15), level + rng.uniform(-4.0, 4.0), knock)
            for name, at, level in ends
        ),
    ]
    bearing = draw_bearing(plate.rng("bearing geometry"))
    roller = plate.rng("defect")
    rolling = ring(draw_modes(roller, 1_500.0, 7_000.0, 4, (0.012, 0.035)), plate.sample_rate)
    loose = plate.rng("looseness")
    rattle = [
        Voice(PulseTrain(f"bounce {at} {n}", 1.0, hertz, -(at + 0.01 + 0.012 * n), 0.01, 0.5), -2.0 * n, knock)
        for at in (0.0, 0.5)
        for n in range(6)
    ]
    play = Voice(Travel(harmonics(loose, 24, 0.9, 100.0), motion, turns * 0.5), 4.0, bed)
    faults = {
        "looseness": FaultSound(1.0, (*rattle, play)),
        "belt_squeal": belt_squeal(plate.rng("belt"), hertz, 2.0, plate.sample_rate),
        "outer_race": FaultSound(
            0.0, (Voice(TravelPulses("roller defect", motion, turns * bearing.bpfo, hertz), 0.0, rolling),)
        ),
    }
    return Design(rated, tuple(voices), faults, speed_depth=0.002, load_depth=0.1, bearing=bearing)
