"""Pooling that learns which tokens matter."""

import torch
from torch import Tensor, nn


class AttentiveStatisticsPooling(nn.Module):
    """Weighted statistics over tokens, with weights a = softmax(w^T tanh(W h)).

    K. Okabe, T. Koshinaka and K. Shinoda, "Attentive Statistics Pooling for Deep Speaker Embedding", Interspeech 2018.
    Zhang, Chen and Li (DCASE 2025), eq. 4, keep the mean sum_t a_t h_t alone; so does this, unless told.

    Args:
        dim: width D of the tokens.
        attention_dim: width of the attention's hidden layer.
        deviation: append the weighted standard deviation to the mean.

    >>> AttentiveStatisticsPooling(192)(torch.randn(2, 496, 192)).shape
    torch.Size([2, 192])
    """

    def __init__(self, dim: int, attention_dim: int = 128, *, deviation: bool = False) -> None:
        super().__init__()
        if dim < 1 or attention_dim < 1:
            raise ValueError(f"the widths are {dim} and {attention_dim}; right would be positive numbers")
        self.hidden = nn.Linear(dim, attention_dim, bias=False)
        self.weight = nn.Linear(attention_dim, 1, bias=False)
        self.deviation = deviation

    def attention(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """The weights of tokens (B, L, D): (B, L) float32, at least 0, each row adding up to 1.

        `padding` (B, L) is True where a token is none; such tokens weigh nothing.
        """
        if tokens.dim() != 3 or tokens.shape[1] == 0 or tokens.shape[2] != self.hidden.in_features:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}; right would be (batch, tokens, {self.hidden.in_features})"
            )
        scores: Tensor = self.weight(torch.tanh(self.hidden(tokens)))[..., 0].float()
        if padding is not None:
            if padding.shape != scores.shape:
                raise ValueError(f"padding has shape {tuple(padding.shape)}; right would be {tuple(scores.shape)}")
            scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)
        return scores.softmax(dim=1)

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Tokens (B, L, D) to (B, D), or to (B, 2 D) with the deviation, in the tokens' dtype."""
        weights = self.attention(tokens, padding).to(tokens.dtype)[:, None]
        mean = weights @ tokens
        if not self.deviation:
            return mean[:, 0]
        variance = weights @ (tokens - mean).square()
        # The floor keeps the root's gradient finite where all tokens are alike.
        deviation = variance.clamp_min(torch.finfo(torch.float32).eps).sqrt()
        return torch.cat([mean, deviation], dim=2)[:, 0]
