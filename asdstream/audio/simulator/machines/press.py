"""Presses: a flywheel turns all the time; clutch, stroke, punch and exhaust come once a cycle.

The "speed" is in strokes per minute.
"""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.cycle import burst
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import worn_teeth
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import FaultSound, bearing_defect, leak
from asdstream.audio.simulator.flow import Noise, jet, ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.gear import GearPair, mesh
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation
from asdstream.audio.simulator.voice import Voice


def press(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(25.0, 130.0)
    hertz = rated / 60.0
    rng = plate.rng("frame")
    rate = plate.sample_rate
    pair = GearPair(int(rng.integers(15, 26)), int(rng.integers(60, 111)))
    motor_ratio = float(rng.uniform(700.0, 1_500.0)) / rated
    frame_modes = draw_modes(rng, 90.0, 3_500.0, 18, (0.01, 0.06))
    frame, blow = casing(frame_modes, rate, 3.0), ring(frame_modes, rate)
    sheet = ring(draw_modes(rng, 600.0, 7_000.0, 12, (0.005, 0.03)), rate)
    gears = mesh(rng, pair.pinion, float(rng.uniform(0.1, 0.5)), plate.below_order(rated, motor_ratio))
    down = float(rng.uniform(0.3, 0.45))
    up = float(rng.uniform(0.65, 0.85))
    exhaust = burst(up, min(up + float(rng.uniform(0.05, 0.15)), 1.0), 0.01, float(rng.uniform(0.02, 0.08)))
    slide = burst(0.06, up, 0.08, 0.5)
    guide = turbulence(rng, (250.0, 1_500.0), rate)
    hiss = jet(rng, (2_000.0, 5_500.0), rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(PulseTrain("clutch", 1.0, hertz, -0.05, 0.01, 0.2), rng.uniform(-12.0, -5.0), blow),
        Voice(PulseTrain("punch", 1.0, hertz, -down, 0.006, 0.12, load_power=0.8), 0.0, blow),
        Voice(PulseTrain("shear", 1.0, hertz, -(down + 0.012), 0.012, 0.25, load_power=1.0), -3.0, sheet),
        Voice(PulseTrain("brake", 1.0, hertz, -up, 0.01, 0.25), rng.uniform(-16.0, -8.0), blow),
        Voice(Friction("guides", 125, 3.0, 1.0, 0.3, 0.5, slide), rng.uniform(-16.0, -8.0), guide),
        Voice(Noise("exhaust", 0.0, 0.3, 1.0, exhaust), rng.uniform(-12.0, -4.0), hiss),
        Voice(Rotation(gears, motor_ratio, 1.0, 0.5, 0.6, "mesh"), rng.uniform(-20.0, -12.0), frame),
        *motor(plate, rated, rng.uniform(-14.0, -6.0), motor_ratio),
        *sound_bearings(plate, rng.uniform(-28.0, -20.0), motor_ratio),
    ]
    loose = plate.rng("looseness")
    step = float(loose.uniform(0.01, 0.025))
    after = tuple(
        Voice(PulseTrain(f"gib {n}", 1.0, hertz, -(down + 0.02 + step * n), 0.008, 0.5), -2.0 * n, sheet)
        for n in range(7)
    )
    slug = plate.rng("slug")
    tumbling = ring(draw_modes(slug, 1_500.0, 7_500.0, 9, (0.004, 0.02)), rate)
    early = float(slug.uniform(0.02, 0.05))
    chips = tuple(
        Voice(PulseTrain(f"slug {n}", 1.0, hertz, -at, 0.03, 0.8), -2.0 * n, tumbling)
        for n, at in enumerate((down - early, down + 0.08, down + 0.13, down + 0.2, down + 0.24))
    )
    faults = {
        "looseness": FaultSound(0.0, after),
        "leak": leak(plate.rng("leak"), rate, ripple(0.6), 1.0),
        "foreign_object": FaultSound(0.0, chips),
        "worn_teeth": worn_teeth(plate.rng("worn teeth"), pair.pinion, hertz, rate, motor_ratio),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(
            plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate, shaft_ratio=motor_ratio
        )
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.02,
        speed_depth=0.002,
        load_depth=0.1,
        bearing=bearing,
        bearing_ratio=motor_ratio,
        gear=pair,
        gear_ratio=motor_ratio,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 4.0), rate),
    )
