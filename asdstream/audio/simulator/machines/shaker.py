"""Shakers, sieves and vibrating feeders: a mass driven to and fro, and what lies on the deck jumps at each turn."""

from asdstream.audio.simulator.bearing import draw_bearing
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.drive_faults import foreign_object
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.fault_sounds import bearing_defect, belt_squeal, imbalance, looseness
from asdstream.audio.simulator.flow import ripple, turbulence
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.machines.parts import motor, sound_bearings
from asdstream.audio.simulator.profile import run_and_stop
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, harmonics
from asdstream.audio.simulator.voice import Voice


def shaker(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(250.0, 1_600.0)
    hertz = rated / 60.0
    rng = plate.rng("deck")
    rate = plate.sample_rate
    pulley = float(rng.uniform(1.0, 3.0))
    deck_modes = draw_modes(rng, 80.0, 3_500.0, 20, (0.01, 0.08), rng.uniform(0.0, 3.0))
    deck, thud = casing(deck_modes, rate, float(rng.uniform(2.0, 6.0))), ring(deck_modes, rate)
    goods_hz = float(rng.uniform(600.0, 2_500.0))
    goods = ring(draw_modes(rng, goods_hz, 7_200.0, 18, (0.008, 0.06)), rate)
    bounce = ripple(float(rng.uniform(0.5, 1.3)), int(rng.integers(1, 3)))
    sway = harmonics(rng, 60, float(rng.uniform(0.8, 0.95)), plate.below_order(rated))
    pieces = RandomPulses("pieces", float(rng.uniform(40.0, 900.0)), float(rng.uniform(0.6, 1.1)), bounce, 1.0, 1.5)
    slide = Friction("goods", 125, float(rng.uniform(2.0, 6.0)), 1.3, 0.3, 1.0, bounce)
    stops = PulseTrain("stops", 2.0, 2.0 * hertz, 0.25, 0.05, 0.35, speed_power=1.5)
    bearing = draw_bearing(plate.rng("bearing geometry"))
    voices = [
        Voice(pieces, rng.uniform(-6.0, 2.0), goods),
        Voice(slide, rng.uniform(-6.0, 0.0), turbulence(rng, (700.0, 3_500.0), rate)),
        Voice(Rotation(sway, 1.0, 2.0, 0.2, 0.5, "sway"), rng.uniform(-8.0, 0.0), deck),
        Voice(stops, rng.uniform(-12.0, -2.0), thud),
        *motor(plate, rated, rng.uniform(-10.0, -2.0), pulley),
        *sound_bearings(plate, rng.uniform(-24.0, -16.0)),
    ]
    profile = run_and_stop(rng, (6.0, 15.0), (0.3, 2.0)) if rng.random() < 0.25 else None
    faults = {
        "looseness": looseness(plate.rng("looseness"), hertz, rate),
        "foreign_object": foreign_object(plate.rng("object"), hertz, rate),
        "belt_squeal": belt_squeal(plate.rng("belt"), hertz, 0.3, rate),
        "imbalance": imbalance(plate.rng("imbalance"), deck, plate.below_order(rated)),
    }
    for part in ("outer_race", "inner_race"):
        faults[part] = bearing_defect(plate.rng("defect"), bearing, part, shaft_hz=hertz, sample_rate=rate)
    return Design(
        rated,
        tuple(voices),
        faults,
        slip=0.05,
        speed_depth=0.004,
        load_depth=0.15,
        flutter_depth=0.004,
        profile=profile,
        bearing=bearing,
        enclosure=enclosure(plate.rng("enclosure"), (0.0, 5.0), rate),
    )
