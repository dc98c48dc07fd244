"""One block of TF-GridNet: along frequency, along time, and attention between frames."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asdstream.models.attention import attend


class GridNetBlock(nn.Module):
    """Intra-frame full-band, sub-band temporal and cross-frame self-attention modules (Wang et al. 2023).

    Tensors are (B, T, F, C), channels last, so that norms, recurrent layers and projections read memory in order.
    Parameters bear the names and shapes of ESPnet's second version.

    Args:
        width: channels C of each time-frequency unit (D in the paper).
        kernel: neighbouring units that enter the recurrent layers together (I).
        stride: distance between such groups (J).
        hidden: units of the LSTMs in each direction (H).
        heads: attention heads (L).
        key_channels: channels of queries and keys per head and frequency (E).
        bands: frequencies F that the attention's norms are made for; None makes them serve any number of them.
        edge_padding: pad both ends by `kernel - stride`, so that border units enter as many groups as all others.
        dense_groups: where groups do not overlap, undo the grouping by a linear layer instead of a transposed
            convolution.
    """

    def __init__(
        self,
        width: int,
        kernel: int,
        stride: int,
        hidden: int,
        heads: int,
        key_channels: int,
        bands: int | None,
        eps: float,
        *,
        edge_padding: bool,
        dense_groups: bool,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} cannot be split into {heads} heads; it must be a multiple of them")
        if not 1 <= stride <= kernel:
            raise ValueError(f"the stride is {stride}; right would be 1 to {kernel}, the kernel")
        self.kernel = kernel
        self.stride = stride
        self.padding = kernel - stride if edge_padding else 0

        def recurrent() -> nn.LSTM:
            return nn.LSTM(width * kernel, hidden, batch_first=True, bidirectional=True)

        def ungrouping() -> nn.Module:
            if dense_groups and kernel == stride:
                return nn.Linear(2 * hidden, width * kernel)
            return nn.ConvTranspose1d(2 * hidden, width, kernel, stride=stride)

        self.intra_norm = nn.LayerNorm(width, eps=eps)
        self.intra_rnn = recurrent()
        self.intra_linear = ungrouping()
        self.inter_norm = nn.LayerNorm(width, eps=eps)
        self.inter_rnn = recurrent()
        self.inter_linear = ungrouping()

        # The capitals are the reference's, whose names the parameters bear.
        self.attn_conv_Q = _PointwiseConvolution(width, heads * key_channels)
        self.attn_norm_Q = _HeadNorm(heads, key_channels, bands, eps)
        self.attn_conv_K = _PointwiseConvolution(width, heads * key_channels)
        self.attn_norm_K = _HeadNorm(heads, key_channels, bands, eps)
        self.attn_conv_V = _PointwiseConvolution(width, width)
        self.attn_norm_V = _HeadNorm(heads, width // heads, bands, eps)
        self.attn_concat_proj = nn.Sequential(
            _PointwiseConvolution(width, width), nn.PReLU(), _FrameNorm(width, bands, eps)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, C) to (B, T, F, C)."""
        frames, bands = x.shape[1:3]
        start = self.padding
        x = F.pad(x, (0, 0, start, self._end_padding(bands), start, self._end_padding(frames)))
        x = x + self._along(x, self.intra_norm, self.intra_rnn, self.intra_linear)
        x = x.transpose(1, 2)
        x = x + self._along(x, self.inter_norm, self.inter_rnn, self.inter_linear)
        x = x.transpose(1, 2)[:, start : start + frames, start : start + bands]
        return x + self._attention(x)

    def _end_padding(self, length: int) -> int:
        """Zeros to append so that the last group is whole and `padding` units follow the sound."""
        needed = length + 2 * self.padding
        groups = 1 + max(0, math.ceil((needed - self.kernel) / self.stride))
        return self.kernel + (groups - 1) * self.stride - self.padding - length

    def _along(self, x: Tensor, norm: nn.Module, rnn: nn.Module, ungroup: nn.Module) -> Tensor:
        """The two recurrent modules, along the third axis: norm, groups of neighbours, LSTM both ways, single units."""
        rows = norm(x).flatten(0, 1)
        if isinstance(ungroup, nn.Linear):
            # Units enter one after the other here, but channel by channel below: the two layouts of the weights.
            hidden, _ = rnn(rows.reshape(len(rows), -1, self.kernel * rows.shape[-1]))
            out = ungroup(hidden)
        else:
            hidden, _ = rnn(rows.unfold(1, self.kernel, self.stride).flatten(2))
            out = ungroup(hidden.transpose(1, 2)).transpose(1, 2)
        units: Tensor = out.reshape(x.shape)
        return units

    def _attention(self, x: Tensor) -> Tensor:
        """The cross-frame module: each frame, all its frequencies in one vector, attends to all frames."""
        frequencies = x.shape[2]
        query = self.attn_norm_Q(self.attn_conv_Q(x)).flatten(3)
        key = self.attn_norm_K(self.attn_conv_K(x)).flatten(3)
        value = self.attn_norm_V(self.attn_conv_V(x)).flatten(3)
        mixed = attend(query, key, value).unflatten(-1, (frequencies, -1))
        out: Tensor = self.attn_concat_proj(mixed.permute(0, 2, 3, 1, 4).flatten(3))
        return out


class _PointwiseConvolution(nn.Conv2d):
    """A 1 x 1 convolution on channels-last tensors, computed as the matrix product it is."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., outputs)."""
        return F.linear(x, self.weight.flatten(1), self.bias)


class _HeadNorm(nn.Module):
    """PReLU with one slope a head, then layer norm of each head's frame, over channels and (unless None) bands."""

    def __init__(self, heads: int, channels: int, bands: int | None, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.gamma, self.beta = _gain_and_offset((1, heads, channels, 1, bands or 1))
        self.act = nn.PReLU(num_parameters=heads, init=0.25)
        self.over_bands = bands is not None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, heads * E) to (B, heads, T, F, E)."""
        # In order in memory first: the activation and the norm take several times as long on a strided view.
        x = self.act(x.unflatten(-1, (self.heads, -1)).permute(0, 3, 1, 2, 4).contiguous())
        x = F.layer_norm(x, x.shape[3:] if self.over_bands else x.shape[4:], eps=self.eps)
        # In order in memory as well, for the same reason; they are small.
        gain, offset = (one.permute(0, 1, 3, 4, 2).contiguous() for one in (self.gamma, self.beta))
        return torch.addcmul(offset, x, gain)


class _FrameNorm(nn.Module):
    """Layer norm of each frame, over channels and (unless None) bands."""

    def __init__(self, channels: int, bands: int | None, eps: float) -> None:
        super().__init__()
        self.gamma, self.beta = _gain_and_offset((1, channels, 1, bands or 1))
        self.over_bands = bands is not None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, C) to (B, T, F, C)."""
        shape = x.shape[2:] if self.over_bands else x.shape[3:]
        gain, offset = (one.permute(0, 2, 3, 1).reshape(shape) for one in (self.gamma, self.beta))
        return F.layer_norm(x, shape, gain, offset, self.eps)


def _gain_and_offset(shape: tuple[int, ...]) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
