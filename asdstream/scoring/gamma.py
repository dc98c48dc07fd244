"""The gamma distribution's upper tail, in float64, without scipy."""

import math

import torch


def upper_tail(shape: float, x: float) -> float:
    """P(X > x) of a gamma variable with the given shape and scale 1."""
    if x <= 0:
        return 1.0
    arguments = torch.tensor([shape, x], dtype=torch.float64)
    return float(torch.special.gammaincc(arguments[0], arguments[1]))


def upper_quantile(shape: float, probability: float) -> float:
    """The x with P(X > x) = `probability`, for a gamma variable with the given shape and scale 1; by bisection.

    Raises ValueError unless shape > 0 and 0 < probability < 1.
    """
    if not (shape > 0 and math.isfinite(shape) and 0 < probability < 1):
        raise ValueError(f"shape must be positive and probability in (0, 1), not {shape} and {probability}")
    low, high = 0.0, shape + 1.0
    while upper_tail(shape, high) > probability:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if upper_tail(shape, middle) > probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
