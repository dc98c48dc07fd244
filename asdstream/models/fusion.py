"""Feature-level fusion: one embedding a window from the tokens of BEATs and AudioMAE together.

Zhang, Chen and Li, "Enhancing Machine Sound Anomaly Detection via Source Separation and Hybrid SSL Fusion", DCASE 2025.
"""

import torch
from torch import Tensor, nn

from asdstream.models.attentive_pooling import AttentiveStatisticsPooling
from asdstream.models.pooling import band_pool, by_band


class AttentiveFusion(nn.Module):
    """The tokens of both encoders concatenated in time, then pooled attentively (eq. 5-6; System-3).

    Attention so chooses between the encoders as well as between the times. AudioMAE's class token, which has no
    place in time, is left out.

    Args:
        dim: width D that both encoders' tokens have.
        attention_dim: width of the attention's hidden layer.
        deviation: append the tokens' weighted standard deviation to their mean, as the pooling was published.
        bands: keep so many frequency bands of both encoders apart, and pool each over time alone, with weights that
            add up to 1 within it; 1 pools all patches at once, as the report does.

    >>> AttentiveFusion(192)(torch.randn(2, 496, 192), torch.randn(2, 513, 192)).shape
    torch.Size([2, 192])
    >>> AttentiveFusion(192, bands=8)(torch.randn(2, 496, 192), torch.randn(2, 513, 192)).shape
    torch.Size([2, 1536])
    """

    def __init__(self, dim: int, attention_dim: int = 128, *, deviation: bool = False, bands: int = 1) -> None:
        super().__init__()
        self.pooling = AttentiveStatisticsPooling(dim, attention_dim, deviation=deviation)
        self.bands = bands

    def forward(self, beats: Tensor, audiomae: Tensor) -> Tensor:
        """Tokens (B, L1, D) of BEATs and (B, 1 + L2, D) of AudioMAE, class token first, to (B, bands * D).

        Twice as wide with the deviation. The lowest band comes first.
        """
        _check_tokens(beats, audiomae)
        if beats.shape[2] != audiomae.shape[2]:
            raise ValueError(
                f"BEATs' tokens are {beats.shape[2]} wide and AudioMAE's {audiomae.shape[2]}; right would be one width"
            )
        apart = [by_band(tokens, self.bands) for tokens in (beats, audiomae[:, 1:])]
        pooled: Tensor = self.pooling(torch.cat(apart, dim=2).flatten(0, 1))
        return pooled.reshape(len(beats), -1)


class MeanFusion(nn.Module):
    """The means of both encoders' patch tokens, one after the other (eq. 7; System-4). It has no parameters.

    Args:
        bands: means over time alone, of so many frequency bands of each encoder; 1 takes all patches together.

    >>> MeanFusion()(torch.randn(2, 496, 192), torch.randn(2, 513, 192)).shape
    torch.Size([2, 384])
    """

    def __init__(self, *, bands: int = 1) -> None:
        super().__init__()
        self.bands = bands

    def forward(self, beats: Tensor, audiomae: Tensor) -> Tensor:
        """Tokens (B, L1, D1) of BEATs and (B, 1 + L2, D2) of AudioMAE, class token first, to (B, bands * (D1 + D2))."""
        _check_tokens(beats, audiomae)
        return torch.cat([band_pool(beats, self.bands, class_token=False), band_pool(audiomae, self.bands)], dim=1)


def _check_tokens(beats: Tensor, audiomae: Tensor) -> None:
    if beats.dim() != 3 or audiomae.dim() != 3 or len(beats) != len(audiomae):
        raise ValueError(
            f"tokens have shapes {tuple(beats.shape)} and {tuple(audiomae.shape)}; right would be "
            "(batch, tokens, width) of one batch"
        )
    if beats.shape[1] < 1 or audiomae.shape[1] < 2:
        raise ValueError(
            f"there are {beats.shape[1]} tokens of BEATs and {audiomae.shape[1]} of AudioMAE; right would be at least "
            "one, and a class token with at least one patch"
        )
