"""Compressors driven by a belt: screw (lobe pass) or piston (a beat and a valve each stroke), drawn by identity."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.fault_sounds import bearing_defect, belt_squeal, leak, looseness
from asdstream.audio.simulator.flow import Noise, ripple, turbulence
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, blade_pass, harmonics
from asdstream.audio.simulator.voice import Voice


def compressor(plate: Nameplate) -> Design:
    rng = plate.rng("block")
    screw = bool(rng.random() < 0.5)
    rated = plate.rated_rpm(1_800.0, 4_500.0) if screw else plate.rated_rpm(500.0, 1_400.0)
    hertz = rated / 60.0
    below = plate.below_order(rated)
    pulley = float(rng.uniform(0.6, 1.6))
    block = casing(draw_modes(rng, 120.0, 2_500.0, 9, (0.015, 0.06)), plate.sample_rate, float(rng.uniform(0.5, 3.0)))
    gas = turbulence(rng, (300.0, 2_000.0), plate.sample_rate)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    beats = int(rng.integers(4, 7)) if screw else int(rng.integers(1, 4))
    if screw:
        work = [Voice(Rotation(blade_pass(rng, beats, below), 1.0, 1.5, 0.8, 0.6, "lobes"), 0.0, block)]
    else:
        reeds = ring(draw_modes(rng, 500.0, 4_000.0, 6, (0.02, 0.06)), plate.sample_rate)
        ticks = PulseTrain("reeds", beats, beats * hertz, 0.2, 0.02, 0.15, speed_power=1.0, load_power=0.3)
        stroke = harmonics(rng, 40, rng.uniform(0.8, 0.92), below / beats)
        work = [Voice(Rotation(stroke, beats, 1.0, 0.8, 0.6, "piston"), 0.0, block), Voice(ticks, -8.0, reeds)]
    voices = [
        *work,
        Voice(Noise("gas", 1.5, 0.8, 0.8, ripple(rng.uniform(0.3, 0.8), beats)), rng.uniform(-9.0, -3.0), gas),
        *motor(plate, rated, rng.uniform(-9.0, -3.0), pulley),
        *sound_bearings(plate, rng.uniform(-24.0, -16.0)),
    ]
    belt_ratio = float(rng.uniform(0.15, 0.4))
    faults = {
        "leak": leak(plate.rng("leak"), plate.sample_rate, ripple(0.7), beats),
        "belt_squeal": belt_squeal(plate.rng("belt"), hertz, belt_ratio, plate.sample_rate),
        "looseness": looseness(plate.rng("looseness"), hertz, plate.sample_rate),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=plate.sample_rate)
    return Design(rated, tuple(voices), faults, slip=0.04, speed_depth=0.002, load_depth=0.12, bearing=bearing)
