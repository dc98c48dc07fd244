"""The learning rate over a run."""

import math


def learning_rate(step: int, *, steps: int, warmup_steps: int, base: float, minimum: float) -> float:
    """Learning rate of optimiser step `step` (0-based): linear warm-up to `base`, then half a cosine to `minimum`."""
    if step < warmup_steps:
        return base * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return minimum + (base - minimum) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
