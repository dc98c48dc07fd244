"""Parts that many machines share: electric motors and sound bearings."""

from asdstream.audio.simulator.design import Nameplate
from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.flow import Noise, ripple
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.pulse import RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.shaft import Rotation, blade_pass, harmonics
from asdstream.audio.simulator.voice import Voice


def motor(plate: Nameplate, rated_rpm: float, level_db: float, ratio: float = 1.0) -> list[Voice]:
    """An electric motor whose shaft turns `ratio` times the main one: rotor harmonics, hum, cooling air."""
    rng = plate.rng("motor")
    frame = casing(draw_modes(rng, 120.0, 2_500.0, 7, (0.01, 0.06)), plate.sample_rate, float(rng.uniform(0.5, 3.0)))
    rotor = harmonics(rng, 24, rng.uniform(0.6, 0.85), plate.below_order(rated_rpm, ratio))
    line_hz = float(rng.choice([50.0, 60.0]))
    air = casing(draw_modes(rng, 300.0, 3_000.0, 5, (0.05, 0.2)), plate.sample_rate, 3.0)
    return [
        Voice(Rotation(rotor, ratio, 2.0, 0.2, 0.5, "rotor"), level_db + float(rng.uniform(-8.0, -2.0)), frame),
        Voice(Hum(hum_table(rng), line_hz, 0.4), level_db + float(rng.uniform(-12.0, -3.0)), frame),
        Voice(Noise("motor air", 2.5, swell_db=0.3), level_db + float(rng.uniform(-12.0, -6.0)), air),
    ]


def brushed_motor(
    plate: Nameplate, rated_rpm: float, level_db: float, segments: int, ratio: float = 1.0
) -> list[Voice]:
    """A motor with commutator and brushes whose shaft turns `ratio` times the main one.

    Each segment passing a brush pulls once: a tone of that rate with neighbours of the shaft, a rustle of brushes.
    """
    rng = plate.rng("brushed motor")
    modes = draw_modes(rng, 300.0, 6_000.0, 14, (0.015, 0.08))
    can = casing(modes, plate.sample_rate, float(rng.uniform(1.0, 4.0)))
    below = plate.below_order(rated_rpm, ratio)
    rotor = harmonics(rng, 20, float(rng.uniform(0.6, 0.9)), below)
    brushes = Friction("brushes", 125, 2.5, 1.2, 0.5, envelope=ripple(0.4, segments), envelope_ratio=ratio)
    return [
        Voice(
            Rotation(blade_pass(rng, segments, below), ratio, 1.2, 0.5, 0.5, "commutator"),
            level_db + float(rng.uniform(-10.0, -1.0)),
            can,
        ),
        Voice(Rotation(rotor, ratio, 1.5, 0.2, 0.5, "rotor"), level_db + float(rng.uniform(-12.0, -4.0)), can),
        Voice(brushes, level_db + float(rng.uniform(-8.0, 0.0)), ring(modes, plate.sample_rate)),
    ]


def sound_bearings(plate: Nameplate, level_db: float, ratio: float = 1.0) -> list[Voice]:
    """Bearings in good order: a rustle modulated by the shaft, and rare ticks from a grain in the grease."""
    rng = plate.rng("bearings")
    modes = draw_modes(rng, 900.0, 6_500.0, 6, (0.02, 0.08))
    housing = ring(modes, plate.sample_rate)
    rustle = Noise("rustle", 1.5, 0.2, 0.5, ripple(float(rng.uniform(0.0, 0.3))), ratio)
    ticks = RandomPulses("ticks", float(rng.uniform(3.0, 15.0)), 0.6)
    return [Voice(rustle, level_db, housing), Voice(ticks, level_db - float(rng.uniform(10.0, 18.0)), housing)]
