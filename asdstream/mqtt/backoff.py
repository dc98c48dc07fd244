"""How long to wait before trying again."""

FIRST_S = 0.5
LONGEST_S = 20.0
"""A box that has lost its broker should be back within half a minute of the broker's return."""


def delay_s(attempt: int, chance: float) -> float:
    """Seconds before try number `attempt` (from 0): doubling up to a limit.

    `chance` in [0, 1) spreads the tries of many boxes after an outage: half of the delay is fixed, half is drawn.
    """
    full = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt, 16))
    return full * (0.5 + 0.5 * chance)
