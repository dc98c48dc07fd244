"""The bundle's encoders and what makes embeddings of their tokens, on the device."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.bundle import Bundle
from asdstream.engine.compilation import compiled
from asdstream.engine.cores import Cores
from asdstream.engine.cuda_graphs import CudaRecorder, GraphedForward
from asdstream.engine.device import Placement
from asdstream.engine.memory import FittingBatches
from asdstream.models.fbank import FbankFrontEnd
from asdstream.models.loudness import beside


class Encoders:
    """Mel spectrograms to embeddings: each encoder that a branch of `bundle` needs runs once a batch.

    Only the encoders' blocks compute in the placement's type; front end and pooling keep to float32. On CUDA the batch
    sizes that were prepared are replayed as graphs. Batches are cut to at most `max_batch`, and further where the
    device has no memory for that. With `compile_cache`, a folder, the encoders are compiled; otherwise a CPU's `cores`
    (by default its own) take a part of each batch.
    """

    def __init__(
        self,
        bundle: Bundle,
        placement: Placement,
        max_batch: int = 256,
        compile_cache: Path | None = None,
        cores: Cores | None = None,
    ) -> None:
        self._branches = bundle.branches
        self._encoders = {
            name: bundle.build_encoder(name).to(placement.device, placement.dtype)
            for name in dict.fromkeys(name for branch in bundle.branches for name in branch.encoders)
        }
        self._heads = {branch.name: bundle.build_head(branch.name).to(placement.device) for branch in bundle.branches}
        loudness = {branch.name: bundle.build_loudness(branch.name) for branch in bundle.branches}
        self._loudness = {name: one.to(placement.device) for name, one in loudness.items() if one is not None}
        self._encode: dict[str, Callable[[Tensor], Tensor]] = {
            name: encoder.encode_fbank if compile_cache is None else compiled(encoder.encode_fbank, compile_cache)
            for name, encoder in self._encoders.items()
        }
        self._graphs = None
        if placement.device.type == "cuda":
            self._graphs = GraphedForward(self._forward, CudaRecorder(placement.device))
        self._fitting = FittingBatches(max_batch, placement.device)
        # Compiled code shares out its steps itself.
        self._cores = Cores(placement, side_by_side=False) if compile_cache else cores or Cores(placement)

    @property
    def front_ends(self) -> list[FbankFrontEnd]:
        """What each encoder hears through, in the order in which `embed` takes the spectrograms."""
        return [encoder.front_end for encoder in self._encoders.values()]

    def prepare(self, spectrograms: Sequence[Tensor]) -> None:
        """Make ready for batches of this size: as `embed`, with what is done only the first time."""
        self.embed(spectrograms)
        if self._graphs is not None and len(spectrograms[0]) <= self._fitting.size:
            with torch.inference_mode():
                self._graphs.prepare(spectrograms)

    def embed(self, spectrograms: Sequence[Tensor]) -> dict[str, NDArray[np.float32]]:
        """Normalised (B, frames, 128), one for each of `front_ends`, to embeddings (B, D) by branch.

        They are of whatever length and content the networks give them. B is at least 1. Raises EngineError where the
        device has no memory for one window.
        """
        count = len(spectrograms[0])

        def compute(windows: slice) -> list[list[NDArray[np.float32]]]:
            mine = [spectrogram[windows] for spectrogram in spectrograms]
            # Per thread, so it is begun here.
            with torch.inference_mode():
                return self._fitting.run(
                    windows.stop - windows.start, lambda part: self._embed([spectrogram[part] for spectrogram in mine])
                )

        parts = self._cores.run(count, compute)
        return {
            branch.name: np.concatenate(rows)
            for branch, rows in zip(self._branches, zip(*parts, strict=True), strict=True)
        }

    def _embed(self, spectrograms: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        vectors = self._forward(spectrograms) if self._graphs is None else self._graphs(spectrograms)
        return [rows.cpu().numpy() for rows in vectors]

    def _forward(self, spectrograms: Sequence[Tensor]) -> list[Tensor]:
        heard = dict(zip(self._encode, spectrograms, strict=True))
        tokens = {name: self._encode[name](spectrogram).float() for name, spectrogram in heard.items()}
        vectors = []
        for branch in self._branches:
            rows = self._heads[branch.name](*(tokens[name] for name in branch.encoders))
            if branch.name in self._loudness:
                rows = beside(rows, self._loudness[branch.name](heard[branch.encoders[0]]), branch.loudness)
            vectors.append(rows)
        return vectors
