"""Fixed sine-cosine positions on the patch grid, in the (transposed) layout that AudioMAE was trained with."""

import torch
from torch import Tensor


def _sinusoid(position: Tensor, dim: int) -> Tensor:
    """(L,) positions to (L, dim): sines, then cosines, of geometrically spaced frequencies."""
    rates = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64, device="cpu") / (dim // 2))
    angles = position[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sine_cosine_table(dim: int, times: int, bands: int) -> Tensor:
    """Positions of the class token (zeros) and of `times` x `bands` patches, (1, 1 + times * bands, dim) float32.

    Tokens are time-major, token = time * bands + band, but the published table numbers them as if a row held `times`
    of them: half of each row encodes token % times, the other half token // times. Every token still has a position
    of its own, and the weights have learnt these, so the table is made the same way for models trained afresh.
    """
    if dim % 4:
        raise ValueError(f"a position width of {dim} cannot hold sines and cosines of two axes; use a multiple of 4")
    token = torch.arange(times * bands, dtype=torch.float64, device="cpu")
    columns, rows = token % times, torch.div(token, times, rounding_mode="floor")
    table = torch.cat([_sinusoid(columns, dim // 2), _sinusoid(rows, dim // 2)], dim=1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64, device="cpu"), table]).float()[None]
