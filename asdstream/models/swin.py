"""The shifted-window block of AudioMAE's decoder: Swin transformer v2 with residual post-norm (Liu et al. 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asdstream.models.attention import attend, merge_heads, split_heads
from asdstream.models.encoder import FeedForward

BIAS_HIDDEN = 384
BIAS_DROPOUT = 0.1
SMALLEST_TAU = 0.01
LAYER_NORM_EPS = 1e-6
OUT_OF_REACH = -100.0


class _PositionBias(nn.Module):
    """Small network from log-spaced relative coordinates to one bias a head (Liu et al. 2022, eq. 4)."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, BIAS_HIDDEN)
        self.fc2 = nn.Linear(BIAS_HIDDEN, heads)
        self.dropout = nn.Dropout(BIAS_DROPOUT)

    def forward(self, coordinates: Tensor) -> Tensor:
        """(P, P, 2) to (heads, P, P)."""
        hidden = self.dropout(F.relu(self.fc1(coordinates)))
        bias: Tensor = self.dropout(self.fc2(hidden))
        return bias.permute(2, 0, 1)


def log_coordinates(window: tuple[int, int]) -> Tensor:
    """sign(d) ln(1 + |d|) of the offsets d between every two places of a window of P places, (P, P, 2)."""
    axes = [torch.arange(size, dtype=torch.float32, device="cpu") for size in window]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)
    offsets = places[:, None] - places[None]
    return offsets.sign() * offsets.abs().log1p()


class WindowAttention(nn.Module):
    """Cosine attention inside windows, its sharpness `tau` learnt per head (Liu et al. 2022, eq. 3)."""

    def __init__(self, dim: int, heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"a width of {dim} cannot be split into {heads} heads; it must be a multiple of them")
        self.heads = heads
        self.window = window
        self.tau = nn.Parameter(torch.ones(heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.meta_mlp = _PositionBias(heads)

    def position_bias(self) -> Tensor:
        """(heads, P, P) for the P places of a window."""
        weight = self.meta_mlp.fc1.weight
        bias: Tensor = self.meta_mlp(log_coordinates(self.window).to(weight.device, weight.dtype))
        return bias

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, W, P, D) to the same, for W windows; `mask` (W, P, P) is added to the scores."""
        batch = len(x)
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(x.flatten(0, 1)).chunk(3, dim=-1))
        sharpness = self.tau.clamp_min(SMALLEST_TAU).reciprocal()[:, None, None]
        bias = self.position_bias()
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(batch, 1, 1, 1)
        mixed = attend(F.normalize(query, dim=-1) * sharpness, F.normalize(key, dim=-1), value, bias, scale=1.0)
        out: Tensor = self.proj(merge_heads(mixed))
        return out.view_as(x)


class SwinBlock(nn.Module):
    """x + norm(window attention(x)), then x + norm(feed-forward(x)), over a grid of patches.

    Every second block of a stack is shifted: the grid is rolled by `shift`, and places that the roll has made
    neighbours without being so do not attend to each other.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        grid: tuple[int, int],
        *,
        window: tuple[int, int] = (4, 4),
        shift: tuple[int, int] = (0, 0),
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        if any(size % side for size, side in zip(grid, window, strict=True)):
            raise ValueError(f"a grid of {grid} does not divide into windows of {window}")
        self.grid = grid
        self.window = window
        self.shift = shift
        self.attn = WindowAttention(dim, heads, window)
        self.norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = FeedForward(dim, int(dim * mlp_ratio))
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D), for the L = rows * columns patches of the grid, row after row."""
        grid = x.unflatten(1, self.grid)
        rolled = grid.roll((-self.shift[0], -self.shift[1]), dims=(1, 2)) if any(self.shift) else grid
        mixed = self.norm1(self._together(self.attn(self._windows(rolled), self._shift_mask(x))))
        if any(self.shift):
            mixed = mixed.roll(self.shift, dims=(1, 2))
        x = x + mixed.flatten(1, 2)
        out: Tensor = x + self.norm2(self.mlp(x))
        return out

    def _windows(self, grid: Tensor) -> Tensor:
        """(B, rows, columns, ...) to (B, W, P, ...)."""
        rows, columns = self.window
        tiles: Tensor = grid.unflatten(2, (-1, columns)).unflatten(1, (-1, rows)).transpose(2, 3)
        return tiles.flatten(3, 4).flatten(1, 2)

    def _together(self, windows: Tensor) -> Tensor:
        """The inverse of `_windows`."""
        (rows, columns), (height, width) = self.grid, self.window
        tiles: Tensor = windows.unflatten(2, self.window).unflatten(1, (rows // height, columns // width))
        return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _shift_mask(self, like: Tensor) -> Tensor | None:
        """(W, P, P): 0 where two places of a window lay in the same stretch before the roll, else -100."""
        if not any(self.shift):
            return None
        # Along each axis the last `shift` places came from the other end, and the window they fall in is split there.
        wrapped = [
            torch.arange(size, device=like.device) >= size - shift
            for size, shift in zip(self.grid, self.shift, strict=True)
        ]
        region = wrapped[0][:, None] * 2 + wrapped[1][None, :] * 1
        places = self._windows(region[None])[0]
        return (places[:, :, None] != places[:, None, :]).to(like.dtype) * OUT_OF_REACH
