"""The search for the largest number of channels: pure, trying one is passed in."""

from collections.abc import Callable

STEP = 0.1
FINE = 0.02


def largest_held(estimate: int, holds: Callable[[int], bool]) -> int:
    """The largest number from which `holds` came true, to within 2 % of the next larger one that did not; 0 for none.

    It begins with `estimate` and goes down, or up, by a tenth, then by twice as much each time, until one number holds
    and another does not; what lies between is halved. Every try is expensive, so no number is tried twice.

    Example:
        >>> largest_held(10, lambda channels: channels <= 7)
        7
    """
    held, too_many = 0, 0
    guess = max(1, estimate)
    step = max(1, round(STEP * guess))
    while True:
        if holds(guess):
            held = guess
        else:
            too_many = guess
        if too_many and too_many - held <= max(1.0, FINE * held):
            return held
        if not too_many:
            guess, step = held + step, 2 * step
        elif not held:
            guess, step = max(1, too_many - step), 2 * step
        else:
            guess = (held + too_many) // 2
