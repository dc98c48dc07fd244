"""From an encoder's tokens to one embedding a window."""

from torch import Tensor


def mean_pool(tokens: Tensor, *, class_token: bool = True) -> Tensor:
    """Mean over the patch tokens: (B, 1 + L, D), or (B, L, D) without a class token, to (B, D)."""
    return tokens[:, 1 if class_token else 0 :].mean(dim=1)
