"""Multi-head attention as both transformers use it, computed by PyTorch's fused kernel."""

import torch.nn.functional as F
from torch import Tensor, nn


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, heads * d) to (B, heads, T, d)."""
    apart: Tensor = x.unflatten(-1, (heads, -1))
    return apart.transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, T, d) to (B, T, heads * d)."""
    return x.transpose(1, 2).flatten(2)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(scale * query key^T + bias) value over (B, heads, T, d); `scale` is 1 / sqrt(d) unless told.

    `bias` broadcasts to (B, heads, T, T) and is cast to the query's dtype. `dropout` acts on the weights.
    """
    if bias is not None:
        bias = bias.to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale)


class SelfAttention(nn.Module):
    """Plain multi-head self-attention with one joint projection of query, key and value (Vaswani et al. 2017)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"a width of {dim} cannot be split into {heads} heads; it must be a multiple of them")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        mixed: Tensor = self.proj(merge_heads(attend(query, key, value)))
        return mixed
