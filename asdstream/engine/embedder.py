"""From windows to embeddings: the bundle's separators and encoders, run in batches."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import Bundle
from asdstream.engine.device import Placement, choose
from asdstream.engine.embedding import Embedding
from asdstream.engine.encoders import Encoders
from asdstream.engine.errors import EmbeddingError, EngineError
from asdstream.engine.separation import Separator
from asdstream.engine.stream_front_end import StreamFrontEnd
from asdstream.engine.stream_window import StreamWindow
from asdstream.models.fbank import shared_front_ends

Windows = TypeVar("Windows", NDArray[np.float32], list[StreamWindow])
LOUDEST = 100.0
"""Full scale is 1. What lies beyond 40 dB over it is no sound and would overflow the power spectrum."""


class Embedder:
    """Embeds 10 s windows with every branch of `bundle`: the `Engine` of this process. One thread at a time.

    `device`, `precision` and `threads` as in `asdstream.engine.device.choose`; the number of threads is set for the
    whole process. Batches larger than `max_batch` are cut into that size; smaller ones are never padded, because a
    CPU gains nothing from it.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        max_batch: int = 8,
    ) -> None:
        if max_batch < 1:
            raise EngineError(f"max_batch is {max_batch}; at least 1 is needed")
        self.placement: Placement = choose(device, precision, threads)
        self.max_batch = max_batch
        torch.set_num_threads(self.placement.threads)
        self.branches = bundle.branches
        self._encoders = Encoders(bundle, self.placement)
        self._separator = Separator(bundle, self.placement)
        self._streams = StreamFrontEnd(self._encoders.front_ends, self.placement.device)

    def warm_up(self, batches: Sequence[int] = (1,), separate_as: Iterable[str] = ()) -> float:
        """Run each of these batch sizes, and the separators of these machine types, once; returns the seconds taken.

        No window pays for the first run then.
        """
        begun = time.perf_counter()
        for size in batches:
            self._encoders.embed(self._spectrograms(np.zeros((min(size, self.max_batch), WINDOW_SAMPLES), np.float32)))
        for machine_type in dict.fromkeys(separate_as):
            self._separator.separate(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32), machine_type)
        return time.perf_counter() - begun

    def separate(self, chunks: NDArray[np.float32], machine_type: str) -> NDArray[np.float32]:
        """As `Separator.separate`."""
        return self._separator.separate(chunks, machine_type)

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str] | None = None) -> list[Embedding]:
        """One embedding per window, in order; what a window shares with the one before it is not computed anew.

        `separate_as` tells, for channels whose sound is separated first, the machine type to separate it as.

        Raises EmbeddingError, naming the windows, where samples or an embedding are not finite, and EngineError where
        the bundle has no separator for a type.
        """
        if not windows:
            return []
        names = [f"window {window.index} of channel {window.channel!r}" for window in windows]
        machine_types = [(separate_as or {}).get(window.channel) for window in windows]
        samples = self._checked(np.stack([window.samples for window in windows]), machine_types, names)
        heard = [
            StreamWindow((window.channel, machine_type), window.run, window.start, window.captured, row)
            for window, machine_type, row in zip(windows, machine_types, samples, strict=True)
        ]
        vectors = self._vectors((self._streams.spectrograms(part) for part in self._batches(heard)), names)
        return [
            Embedding(window, {branch: rows[i] for branch, rows in vectors.items()}) for i, window in enumerate(windows)
        ]

    def embed_samples(
        self, samples: NDArray[np.float32], separate_as: str | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Windows (B, 160000) at 16 kHz, nominally in [-1, 1], to unit-length embeddings (B, D) by branch.

        They are separated first where `separate_as` tells the machine type to separate them as. Raises EmbeddingError
        and EngineError as `embed` does, and EngineError for another shape.
        """
        names = [f"window {i} of {len(samples)}" for i in range(len(samples))]
        checked = self._checked(samples, [separate_as] * len(samples), names)
        return self._vectors((self._spectrograms(part) for part in self._batches(checked)), names)

    def _batches(self, windows: Windows) -> Iterator[Windows]:
        for first in range(0, len(windows), self.max_batch):
            yield windows[first : first + self.max_batch]

    def _checked(
        self, samples: NDArray[np.float32], machine_types: Sequence[str | None], names: Sequence[str]
    ) -> NDArray[np.float32]:
        """What is to be embedded of windows (B, 160000): finite, of bearable level, separated where that is asked."""
        if samples.ndim != 2 or samples.shape[1] != WINDOW_SAMPLES:
            raise EngineError(f"windows have shape {samples.shape}; (B, {WINDOW_SAMPLES}) is expected")
        _refuse(np.asarray(~np.isfinite(samples).all(axis=1)), names, "holds samples that are NaN or infinite")
        return self._separated(np.clip(samples, -LOUDEST, LOUDEST, dtype=np.float32), machine_types, names)

    def _separated(
        self, samples: NDArray[np.float32], machine_types: Sequence[str | None], names: Sequence[str]
    ) -> NDArray[np.float32]:
        """Windows (B, 160000), each separated as its machine type, or left as it is where that is None."""
        separated = samples.copy()
        for machine_type in {name for name in machine_types if name is not None}:
            rows = [i for i, other in enumerate(machine_types) if other == machine_type]
            separated[rows] = self._separator.separate(samples[rows], machine_type)
        _refuse(np.asarray(~np.isfinite(separated).all(axis=1)), names, "was NaN or infinite once separated")
        return separated

    def _spectrograms(self, samples: NDArray[np.float32]) -> list[Tensor]:
        """What the encoders hear of windows (B, 160000) that have nothing to do with each other."""
        with torch.inference_mode():
            waveform = torch.from_numpy(np.ascontiguousarray(samples)).to(self.placement.device)
            return shared_front_ends(waveform, self._encoders.front_ends)

    def _vectors(self, batches: Iterable[Sequence[Tensor]], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Unit-length embeddings (B, D) by branch from the spectrograms of one batch after the other."""
        parts = [self._encoders.embed(spectrograms) for spectrograms in batches]
        vectors: dict[str, NDArray[np.float32]] = {}
        for branch in self.branches:
            rows = np.concatenate([part[branch.name] for part in parts]) if parts else np.zeros((0, 0), np.float32)
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
            unusable = ~(np.isfinite(lengths) & (lengths > 0))[:, 0]
            _refuse(unusable, names, f"gave an embedding in branch {branch.name!r} that is NaN, infinite or zero")
            rows = (rows / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
            rows.setflags(write=False)
            vectors[branch.name] = rows
        return vectors


def _refuse(faulty: NDArray[np.bool_], names: Sequence[str], what: str) -> None:
    positions = tuple(int(i) for i in np.flatnonzero(faulty))
    if positions:
        others = f" (and {len(positions) - 1} more)" if len(positions) > 1 else ""
        raise EmbeddingError(f"{names[positions[0]]}{others} {what}, so it cannot be scored", positions)
