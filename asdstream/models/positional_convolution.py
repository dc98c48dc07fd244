"""BEATs' positions: a convolution along time that tells each token what is near it."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LANES = 16
"""Channels that a CPU's convolution works on at a time; groups that do not fill them cost as if they did, and more."""
BLOCK = 16
"""Tokens that come out of one product of matrices where a convolution is written as one; 8 to 32 are as fast."""


@dataclass(frozen=True, slots=True, eq=False)
class _Folded:
    """A kernel, and what it was made of: aliases, which also keep their addresses from being given to others.

    `blocks` is the kernel as `_as_blocks` lays it out, where that pays.
    """

    gain: Tensor
    direction: Tensor
    versions: tuple[int, int]
    kernel: Tensor
    blocks: Tensor | None

    def is_of(self, gain: Tensor, direction: Tensor) -> bool:
        return (
            self.gain.data_ptr() == gain.data_ptr()
            and self.direction.data_ptr() == direction.data_ptr()
            and self.versions == (gain._version, direction._version)
        )


class PositionalConvolution(nn.Module):
    """Grouped convolution along time whose kernel is g v / |v|, one g a tap (Baevski et al. 2020, section 2).

    Where no gradient is asked for, the kernel is worked out once and kept until `weight_g` or `weight_v` change in
    any way; it is not part of the state dict, nor of copies. A CPU then takes groups of few channels four times as fast
    as products of matrices.
    """

    def __init__(self, dim: int, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.bias = nn.Parameter(torch.zeros(dim))
        self.weight_g = nn.Parameter(torch.empty(1, 1, width))
        self.weight_v = nn.Parameter(torch.empty(dim, dim // groups, width))
        self._folded: _Folded | None = None
        nn.init.normal_(self.weight_v, std=(4.0 / (width * dim)) ** 0.5)
        if not self.weight_v.is_meta:
            with torch.no_grad():
                self.weight_g.copy_(self._lengths())

    def __getstate__(self) -> dict[str, Any]:
        # A copy's tensors count their versions afresh, so an outdated kernel could pass for theirs.
        return self.__dict__ | {"_folded": None}

    def kernel(self) -> Tensor:
        """g v / |v|, (D, D / groups, width)."""
        folded = self._fold()
        return self._weigh() if folded is None else folded.kernel

    def _fold(self) -> _Folded | None:
        """The kernel and what goes with it, kept; None where it may not be."""
        gain, direction = self.weight_g, self.weight_v
        # An inference tensor does not count its versions, and a compiler must not see addresses.
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or gain.is_inference() or direction.is_inference():
            return None
        folded = self._folded
        if folded is None or not folded.is_of(gain, direction):
            kernel = self._weigh()
            narrow = kernel.device.type == "cpu" and kernel.shape[1] % LANES != 0
            folded = _Folded(
                gain.detach(),
                direction.detach(),
                (gain._version, direction._version),
                kernel,
                _as_blocks(kernel, self.groups) if narrow else None,
            )
            self._folded = folded
        return folded

    def _weigh(self) -> Tensor:
        return self.weight_v * (self.weight_g / self._lengths())

    def _lengths(self) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        return lengths

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D), after an exact GELU."""
        folded = self._fold()
        if folded is not None and folded.blocks is not None:
            return F.gelu(_convolved(x, folded.blocks, folded.kernel.shape[-1], self.groups) + self.bias)
        kernel = self._weigh() if folded is None else folded.kernel
        mixed = F.conv1d(x.transpose(1, 2), kernel, self.bias, padding=kernel.shape[-1] // 2, groups=self.groups)
        # An even kernel padded by half its width on both sides gives one step too many.
        return F.gelu(mixed[..., : x.shape[1]]).transpose(1, 2)


def _as_blocks(kernel: Tensor, groups: int) -> Tensor:
    """A kernel (D, C, width) as matrices (groups, C * (BLOCK + width - 1), BLOCK * C) that make BLOCK tokens at once.

    Each column is the kernel of one token and channel, moved to where that token's neighbours lie.
    """
    dim, inputs, width = kernel.shape
    of_group = kernel.view(groups, dim // groups, inputs, width).permute(0, 2, 3, 1)
    blocks = kernel.new_zeros(groups, inputs, BLOCK + width - 1, BLOCK, dim // groups)
    for token in range(BLOCK):
        blocks[:, :, token : token + width, token] = of_group
    return blocks.view(groups, inputs * (BLOCK + width - 1), -1)


def _convolved(x: Tensor, blocks: Tensor, width: int, groups: int) -> Tensor:
    """(B, T, D) to (B, T, D): the grouped convolution as products of matrices, of which a tenth are zeros."""
    batch, tokens, dim = x.shape
    count = -(-tokens // BLOCK)
    reach = BLOCK + width - 1
    padded = F.pad(x, (0, 0, width // 2, count * BLOCK + width - 1 - tokens - width // 2))
    heard = padded.unflatten(2, (groups, -1)).unfold(1, reach, BLOCK)
    rows = heard.permute(2, 0, 1, 3, 4).reshape(groups, batch * count, -1)
    made = torch.bmm(rows, blocks).view(groups, batch, count, BLOCK, dim // groups)
    joined: Tensor = made.permute(1, 2, 3, 0, 4).reshape(batch, count * BLOCK, dim)
    return joined[:, :tokens]
