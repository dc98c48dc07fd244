"""From an encoder's tokens to one embedding a window."""

from torch import Tensor


def mean_pool(tokens: Tensor, *, class_token: bool = True) -> Tensor:
    """Mean over the patch tokens: (B, 1 + L, D), or (B, L, D) without a class token, to (B, D)."""
    return tokens[:, 1 if class_token else 0 :].mean(dim=1)


def band_pool(tokens: Tensor, bands: int = 8, *, class_token: bool = True) -> Tensor:
    """Mean over time alone, each frequency band kept: (B, 1 + T * bands, D) to (B, bands * D), lowest band first.

    Tokens are time-major: patch t * bands + f looks at time t and band f. Without a class token there are T * bands.

    Raises:
        ValueError: the patch tokens are not a whole number of times.
    """
    patches = tokens[:, 1 if class_token else 0 :]
    if patches.shape[1] == 0 or patches.shape[1] % bands:
        raise ValueError(f"there are {patches.shape[1]} patch tokens; right would be a multiple of {bands} bands")
    apart: Tensor = patches.unflatten(1, (-1, bands))
    return apart.mean(dim=1).flatten(1)
