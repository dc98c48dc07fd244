"""Solenoid valves: a click, a rush of air, a click; the "speed" is in cycles per minute."""

from asdstream.audio.simulator.cycle import burst
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.fault_sounds import FaultSound, leak
from asdstream.audio.simulator.flow import Noise, jet, turbulence
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.resonance import casing, draw_modes, ring
from asdstream.audio.simulator.voice import Voice


def valve(plate: Nameplate) -> Design:
    rated = plate.rated_rpm(25.0, 110.0)
    hertz = rated / 60.0
    rng = plate.rng("body")
    opens = 0.05
    closes = opens + float(rng.uniform(0.2, 0.6))
    body_modes = draw_modes(rng, 400.0, 6_500.0, 9, (0.008, 0.04))
    body = ring(body_modes, plate.sample_rate)
    open_click = PulseTrain("open", 1.0, hertz, -opens, 0.003, 0.08)
    close_click = PulseTrain("close", 1.0, hertz, -closes, 0.003, 0.08)
    rush = burst(opens, min(closes + 0.02, 1.0), 0.01, float(rng.uniform(0.03, 0.3)))
    rush_path = turbulence(rng, (400.0, 2_500.0), plate.sample_rate)
    hiss_path = jet(rng, (2_000.0, 5_000.0), plate.sample_rate)
    line_hz = float(rng.choice([50.0, 60.0]))
    voices = [
        Voice(open_click, rng.uniform(-6.0, 0.0), body),
        Voice(close_click, rng.uniform(-8.0, -2.0), body),
        Voice(Noise("rush", 0.0, 0.6, 0.5, rush), -3.0, rush_path),
        Voice(Noise("hiss", 0.0, 0.4, 0.5, rush), rng.uniform(-14.0, -6.0), hiss_path),
        Voice(Hum(hum_table(rng), line_hz), rng.uniform(-26.0, -16.0), casing(body_modes, plate.sample_rate, 1.0)),
        Voice(Noise("line", 0.0, 0.0, 0.5), rng.uniform(-26.0, -18.0), rush_path),
    ]
    loose = plate.rng("looseness")
    seat = ring(draw_modes(loose, 300.0, 3_500.0, 7, (0.01, 0.05)), plate.sample_rate)
    step = float(loose.uniform(0.008, 0.02))
    chatter = tuple(
        Voice(PulseTrain(f"chatter {at} {n}", 1.0, hertz, -(at + step * (n + 1)), 0.006, 0.5), -2.0 * n, seat)
        for at in (opens, closes)
        for n in range(6)
    )
    # A worn seat leaks while it should be shut.
    shut = burst(min(closes + 0.03, 0.9), 1.0, 0.02, 10.0)
    faults = {
        "leak": leak(plate.rng("leak"), plate.sample_rate, shut, 1.0),
        "looseness": FaultSound(1.0, chatter),
    }
    return Design(rated, tuple(voices), faults, speed_depth=0.003, load_depth=0.1)
