"""Spectrogram patches and their order: time-major, so token t * (mels / patch) + f looks at time t and band f."""

import torch.nn.functional as F
from torch import Tensor, nn


def patchify(spectrogram: Tensor, patch: int = 16) -> Tensor:
    """(B, T, M) to (B, (T // patch) * (M // patch), patch * patch), each patch flattened time first.

    Frames and bands beyond the last whole patch are left out.
    """
    times, bands = spectrogram.shape[1] // patch, spectrogram.shape[2] // patch
    whole = spectrogram[:, : times * patch, : bands * patch]
    tiles = whole.reshape(-1, times, patch, bands, patch).transpose(2, 3)
    return tiles.reshape(-1, times * bands, patch * patch)


class PatchProjection(nn.Conv2d):
    """A convolution whose stride equals its kernel, computed as the matrix product it is.

    It is stored as a convolution, (D, 1, patch, patch), because the public checkpoints are.
    """

    def __init__(self, dim: int, patch: int = 16, *, bias: bool = True) -> None:
        super().__init__(1, dim, kernel_size=patch, stride=patch, bias=bias)
        self.patch = patch

    def initialise(self) -> None:
        """Xavier-uniform over the flattened patch, and no offset."""
        nn.init.xavier_uniform_(self.weight.data.flatten(1))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, T, M) to (B, L, D)."""
        return self.project(patchify(spectrogram, self.patch))

    def project(self, patches: Tensor) -> Tensor:
        """(B, L, patch * patch) to (B, L, D)."""
        return F.linear(patches, self.weight.flatten(1), self.bias)
