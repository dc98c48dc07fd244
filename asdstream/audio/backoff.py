"""How long to wait before the next attempt."""


def backoff_s(attempt: int, first_s: float = 1.0, longest_s: float = 30.0, jitter: float = 0.0) -> float:
    """Seconds before attempt `attempt` + 1: doubling from `first_s` up to `longest_s`.

    `jitter` between 0 and 1, drawn by the caller, takes off up to a quarter, so that many waiters do not move together.
    """
    doubled = first_s * 2.0 ** min(max(attempt, 0), 32)
    return min(doubled, longest_s) * (1.0 - 0.25 * jitter)
