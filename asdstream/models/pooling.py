"""From an encoder's tokens to one embedding a window."""

from torch import Tensor, nn


def mean_pool(tokens: Tensor, *, class_token: bool = True) -> Tensor:
    """Mean over the patch tokens: (B, 1 + L, D), or (B, L, D) without a class token, to (B, D)."""
    return tokens[:, 1 if class_token else 0 :].mean(dim=1)


def by_band(patches: Tensor, bands: int) -> Tensor:
    """Patch tokens (B, T * bands, D), time-major and without a class token, to (B, bands, T, D), lowest band first.

    Raises:
        ValueError: they are not a whole number of times.
    """
    if patches.shape[1] == 0 or patches.shape[1] % bands:
        raise ValueError(f"there are {patches.shape[1]} patch tokens; right would be a multiple of {bands} bands")
    apart: Tensor = patches.unflatten(1, (-1, bands))
    return apart.transpose(1, 2)


def band_pool(tokens: Tensor, bands: int = 8, *, class_token: bool = True) -> Tensor:
    """Mean over time alone, each frequency band kept: (B, 1 + T * bands, D) to (B, bands * D), lowest band first.

    Tokens are time-major: patch t * bands + f looks at time t and band f. Without a class token there are T * bands.

    Raises:
        ValueError: the patch tokens are not a whole number of times.
    """
    return by_band(tokens[:, 1 if class_token else 0 :], bands).mean(dim=2).flatten(1)


class MeanPooling(nn.Module):
    """`mean_pool` as the last part of a network; it has no parameters.

    >>> MeanPooling()(torch.randn(2, 513, 192)).shape
    torch.Size([2, 192])
    """

    def __init__(self, *, class_token: bool = True) -> None:
        super().__init__()
        self.class_token = class_token

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 1 + L, D), or (B, L, D) without a class token, to (B, D)."""
        return mean_pool(tokens, class_token=self.class_token)


class BandPooling(nn.Module):
    """`band_pool` as the last part of a network; it has no parameters.

    >>> BandPooling()(torch.randn(2, 513, 192)).shape
    torch.Size([2, 1536])
    """

    def __init__(self, bands: int = 8, *, class_token: bool = True) -> None:
        super().__init__()
        self.bands = bands
        self.class_token = class_token

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 1 + T * bands, D), or (B, T * bands, D) without a class token, to (B, bands * D)."""
        return band_pool(tokens, self.bands, class_token=self.class_token)
