"""BEATs' positions: a convolution along time that tells each token what is near it."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class _Folded:
    """A kernel, and what it was made of: aliases, which also keep their addresses from being given to others."""

    gain: Tensor
    direction: Tensor
    versions: tuple[int, int]
    kernel: Tensor

    def is_of(self, gain: Tensor, direction: Tensor) -> bool:
        return (
            self.gain.data_ptr() == gain.data_ptr()
            and self.direction.data_ptr() == direction.data_ptr()
            and self.versions == (gain._version, direction._version)
        )


class PositionalConvolution(nn.Module):
    """Grouped convolution along time whose kernel is g v / |v|, one g a tap (Baevski et al. 2020, section 2).

    Where no gradient is asked for, the kernel is worked out once and kept until `weight_g` or `weight_v` change in
    any way; it is not part of the state dict, nor of copies.
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
        gain, direction = self.weight_g, self.weight_v
        # An inference tensor does not count its versions, and a compiler must not see addresses.
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or gain.is_inference() or direction.is_inference():
            return self._weigh()
        if self._folded is None or not self._folded.is_of(gain, direction):
            self._folded = _Folded(
                gain.detach(), direction.detach(), (gain._version, direction._version), self._weigh()
            )
        return self._folded.kernel

    def _weigh(self) -> Tensor:
        return self.weight_v * (self.weight_g / self._lengths())

    def _lengths(self) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True)
        return lengths

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D), after an exact GELU."""
        kernel = self.kernel()
        mixed = F.conv1d(x.transpose(1, 2), kernel, self.bias, padding=kernel.shape[-1] // 2, groups=self.groups)
        # An even kernel padded by half its width on both sides gives one step too many.
        return F.gelu(mixed[..., : x.shape[1]]).transpose(1, 2)
