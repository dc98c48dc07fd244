"""How long to wait before the next attempt."""


def backoff_s(attempt: int, *, first_s: float, longest_s: float, chance: float) -> float:
    """Seconds before try number `attempt` (from 0): doubling from `first_s` up to `longest_s`.

    `chance` in [0, 1), drawn by the caller, spreads the tries of many that wait for the same thing: half of the delay
    is fixed, half is drawn.
    """
    full = min(longest_s, first_s * 2.0 ** min(max(attempt, 0), 32))
    return full * (0.5 + 0.5 * chance)
