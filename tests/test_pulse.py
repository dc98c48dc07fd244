from asdstream.pulse import Pulse


def test_a_pulse_tells_for_how_long_it_has_not_beaten() -> None:
    now = [100.0]
    pulse = Pulse(clock=lambda: now[0])
    now[0] = 130.0
    assert pulse.still_s == 30.0
    pulse.beat()
    assert pulse.still_s == 0.0
