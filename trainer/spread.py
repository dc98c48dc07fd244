"""How far embeddings lie apart, and bringing one encoder to another's measure."""

import torch
from torch import Tensor

from asdstream.models.audiomae import AudioMAE


def spread(embeddings: Tensor) -> float:
    """Root of the summed variances of embeddings (N, D): about how far one lies from their mean.

    Where tokens of two encoders are summed, the one whose embeddings lie further apart decides which sounds lie near
    each other.

    >>> spread(torch.tensor([[3.0, 0.0], [-3.0, 0.0]]))
    3.0
    """
    return float(embeddings.var(dim=0, unbiased=False).sum().sqrt())


def widen(encoder: AudioMAE, times: float) -> None:
    """Have all tokens of `encoder` be so many times what they were, by its last norm, in place.

    Raises ValueError where `times` is no positive number.
    """
    if not 0.0 < times < float("inf"):
        raise ValueError(f"tokens cannot be made {times} times what they were; right would be a positive number")
    with torch.no_grad():
        encoder.norm.weight.mul_(times)
        encoder.norm.bias.mul_(times)
