"""The bundle's encoders and what makes embeddings of their tokens, on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.bundle import Bundle
from asdstream.engine.device import Placement
from asdstream.models.fbank import FbankFrontEnd


class Encoders:
    """Mel spectrograms to embeddings: each encoder that a branch of `bundle` needs runs once a batch.

    Only the encoders' blocks compute in the placement's type; front end and pooling keep to float32.
    """

    def __init__(self, bundle: Bundle, placement: Placement) -> None:
        self._branches = bundle.branches
        self._encoders = {
            name: bundle.build_encoder(name).to(placement.device, placement.dtype)
            for name in dict.fromkeys(name for branch in bundle.branches for name in branch.encoders)
        }
        self._heads = {branch.name: bundle.build_head(branch.name).to(placement.device) for branch in bundle.branches}

    @property
    def front_ends(self) -> list[FbankFrontEnd]:
        """What each encoder hears through, in the order in which `embed` takes the spectrograms."""
        return [encoder.front_end for encoder in self._encoders.values()]

    def embed(self, spectrograms: Sequence[Tensor]) -> dict[str, NDArray[np.float32]]:
        """Normalised (B, frames, 128), one for each of `front_ends`, to embeddings (B, D) by branch.

        They are of whatever length and content the networks give them.
        """
        with torch.inference_mode():
            tokens = {
                name: encoder.encode_fbank(spectrogram).float()
                for (name, encoder), spectrogram in zip(self._encoders.items(), spectrograms, strict=True)
            }
            return {
                branch.name: self._heads[branch.name](*(tokens[name] for name in branch.encoders)).cpu().numpy()
                for branch in self._branches
            }
