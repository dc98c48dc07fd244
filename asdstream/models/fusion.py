"""Feature-level fusion: one embedding a window from the tokens of BEATs and AudioMAE together.

Zhang, Chen and Li, "Enhancing Machine Sound Anomaly Detection via Source Separation and Hybrid SSL Fusion", DCASE 2025.
"""

import torch
from torch import Tensor, nn

from asdstream.models.attentive_pooling import AttentiveStatisticsPooling
from asdstream.models.pooling import mean_pool


class AttentiveFusion(nn.Module):
    """The tokens of both encoders concatenated in time, then pooled attentively (eq. 5-6; System-3).

    Attention so chooses between the encoders as well as between the times. AudioMAE's class token, which has no
    place in time, is left out.

    Args:
        dim: width D that both encoders' tokens have.
        attention_dim: width of the attention's hidden layer.
        deviation: append the tokens' weighted standard deviation to their mean, as the pooling was published.

    >>> AttentiveFusion(192)(torch.randn(2, 496, 192), torch.randn(2, 513, 192)).shape
    torch.Size([2, 192])
    """

    def __init__(self, dim: int, attention_dim: int = 128, *, deviation: bool = False) -> None:
        super().__init__()
        self.pooling = AttentiveStatisticsPooling(dim, attention_dim, deviation=deviation)

    def forward(self, beats: Tensor, audiomae: Tensor) -> Tensor:
        """Tokens (B, L1, D) of BEATs and (B, 1 + L2, D) of AudioMAE, class token first, to (B, D).

        (B, 2 D) with the deviation.
        """
        _check_tokens(beats, audiomae)
        if beats.shape[2] != audiomae.shape[2]:
            raise ValueError(
                f"BEATs' tokens are {beats.shape[2]} wide and AudioMAE's {audiomae.shape[2]}; right would be one width"
            )
        pooled: Tensor = self.pooling(torch.cat([beats, audiomae[:, 1:]], dim=1))
        return pooled


class MeanFusion(nn.Module):
    """The means of both encoders' patch tokens, one after the other (eq. 7; System-4). It has no parameters.

    >>> MeanFusion()(torch.randn(2, 496, 192), torch.randn(2, 513, 192)).shape
    torch.Size([2, 384])
    """

    def forward(self, beats: Tensor, audiomae: Tensor) -> Tensor:
        """Tokens (B, L1, D1) of BEATs and (B, 1 + L2, D2) of AudioMAE, class token first, to (B, D1 + D2)."""
        _check_tokens(beats, audiomae)
        return torch.cat([mean_pool(beats, class_token=False), mean_pool(audiomae)], dim=1)


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
