"""From windows to embeddings: the bundle's separators and encoders, run in batches."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES, Window
from asdstream.bundle import Bundle
from asdstream.engine.cores import Cores
from asdstream.engine.device import Placement, choose, names_lost_device
from asdstream.engine.embedding import Embedding
from asdstream.engine.encoders import Encoders
from asdstream.engine.errors import EmbeddingError, EngineError
from asdstream.engine.patch_grid import PatchGrid
from asdstream.engine.reconstruction import Reconstruction
from asdstream.engine.separate_as import SeparateAs, ways
from asdstream.engine.separation import Separator
from asdstream.engine.stream_front_end import StreamFrontEnd
from asdstream.engine.stream_separation import LEFT, RIGHT, StreamSeparation
from asdstream.engine.stream_window import StreamWindow
from asdstream.engine.upload import upload
from asdstream.models.fbank import shared_front_ends

Windows = TypeVar("Windows", NDArray[np.float32], list[StreamWindow])
Named = tuple[int, str]
"""A window's place among those given, and what it is called in errors."""
NO_ESTIMATE = "was NaN or infinite once separated"
CHUNK = LEFT + SAMPLE_RATE + RIGHT
"""Samples of a window that are separated at a hop of 1 s."""
TIMED = 3
"""Windows that each core takes to find out how long it takes: the first runs are slower."""
LOUDEST = 100.0
"""Full scale is 1. What lies beyond 40 dB over it is no sound and would overflow the power spectrum."""


class Embedder:
    """Embeds 10 s windows with every branch of `bundle`: the `Engine` of this process. One thread at a time.

    `device`, `precision` and `threads` as in `asdstream.engine.device.choose`; the number of threads is set for the
    whole process. Batches larger than `max_batch` are cut into that size; smaller ones are never padded, because a
    CPU gains nothing from it. With `compile_cache`, a folder, the encoders are compiled and kept there.

    A device that fails for good raises DeviceLostError.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        max_batch: int = 8,
        compile_cache: Path | None = None,
    ) -> None:
        if max_batch < 1:
            raise EngineError(f"max_batch is {max_batch}; at least 1 is needed")
        self.placement: Placement = choose(device, precision, threads)
        self.max_batch = max_batch
        torch.set_num_threads(self.placement.threads)
        self.branches = bundle.branches
        self._cores = cores = Cores(self.placement)
        # Compiled code shares out its steps over all cores itself.
        self._parts = self._cores.count > 1 and compile_cache is None
        self._alone_s = math.inf
        self._encoders = Encoders(bundle, self.placement, max_batch, compile_cache, cores)
        self._separator = Separator(bundle, self.placement, cores)
        self._separation = StreamSeparation(self._separator)
        self._reconstruction = Reconstruction(bundle, self.placement)
        self._streams = StreamFrontEnd(self._encoders.front_ends, self.placement.device)

    def device_memory(self) -> int | None:
        """Bytes that torch keeps on the GPU; None on a CPU."""
        device = self.placement.device
        return torch.cuda.memory_reserved(device) if device.type == "cuda" else None

    @names_lost_device
    def warm_up(self, batches: Sequence[int] = (1,), separate_as: Iterable[SeparateAs] = ()) -> float:
        """Run each of these batch sizes, and the separators that these need, once; returns the seconds taken.

        No window pays for the first run then.
        """
        begun = time.perf_counter()
        for size in batches:
            self._encoders.prepare(
                self._spectrograms(np.zeros((min(size, self.max_batch), WINDOW_SAMPLES), np.float32))
            )
        wanted = set(separate_as)
        for machine_type in {name for one in wanted for name in ways(one).values() if name is not None}:
            self._separator.separate(np.zeros((1, WINDOW_SAMPLES), dtype=np.float32), machine_type)
        if self._parts:
            dearest = max(wanted, key=lambda one: len(ways(one)), default=None)
            timed = [self._cores.begin(partial(self._time_alone, dearest)) for _ in range(TIMED * self._cores.count)]
            self._alone_s = median(one.result() for one in timed)
        return time.perf_counter() - begun

    def _time_alone(self, separate_as: SeparateAs | None) -> float:
        """Seconds of this core that a window of a stream takes, whoever else the core has to serve just now."""
        silence = np.zeros((1, WINDOW_SAMPLES), np.float32)
        begun = time.thread_time()
        for machine_type in ways(separate_as).values():
            if machine_type is not None:
                self._separator.separate(silence, machine_type, WINDOW_SAMPLES - CHUNK)
            self._encoders.embed(self._spectrograms(silence))
        return time.thread_time() - begun

    def lanes(self, within_s: float) -> int:
        """The CPU's cores, where a window alone on one takes less than `within_s`; otherwise, and on a GPU, 1."""
        return self._cores.count if self._alone_s < within_s else 1

    def begin(
        self, windows: Sequence[Window], separate_as: Mapping[str, SeparateAs] | None = None
    ) -> Future[list[Embedding]]:
        """As `Engine.begin`, each on a core of its own."""
        return self._cores.begin(lambda: self.embed(windows, separate_as))

    @names_lost_device
    def separate(self, chunks: NDArray[np.float32], machine_type: str) -> NDArray[np.float32]:
        """As `Separator.separate`."""
        return self._separator.separate(chunks, machine_type)

    @names_lost_device
    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, SeparateAs] | None = None) -> list[Embedding]:
        """One embedding per window, in order; what a window shares with the one before it is not computed anew.

        Nor is it separated anew, so that an embedding of separated sound differs a little from that of the same window
        separated whole: `asdstream.engine.stream_separation`.

        `separate_as` tells, for channels whose sound is separated first, the machine type to separate it as. Where that
        is to be done both ways, the embedding has each branch twice, the separated one's name followed by `SEPARATED`.

        Raises EmbeddingError, naming the windows, where samples or an embedding are not finite, and EngineError where
        the bundle has no separator for a type.
        """
        if not windows:
            return []
        named = [(i, f"window {window.index} of channel {window.channel!r}") for i, window in enumerate(windows)]
        _check([window.samples for window in windows], named)
        # Of each a copy of its own, which its stream goes on to hold.
        samples = [_bearable(window.samples) for window in windows]
        # A window that is heard both ways takes two places in what follows.
        wanted = [
            (i, suffix, machine_type)
            for i, window in enumerate(windows)
            for suffix, machine_type in ways((separate_as or {}).get(window.channel)).items()
        ]
        heard = [
            StreamWindow(
                (windows[i].channel, machine_type), windows[i].run, windows[i].start, windows[i].captured, samples[i]
            )
            for i, _, machine_type in wanted
        ]
        of_type = {place: machine_type for place, (_, _, machine_type) in enumerate(wanted) if machine_type is not None}
        separated = self._separation.separate([heard[place] for place in of_type], list(of_type.values()))
        named = [named[i] for i, _, _ in wanted]
        _refuse(_not_finite(separated), [named[place] for place in of_type], NO_ESTIMATE)
        for place, row in zip(of_type, separated, strict=True):
            heard[place] = replace(heard[place], samples=row)
        vectors = self._vectors((self._streams.spectrograms(part) for part in self._batches(heard)), named)
        of_window: list[dict[str, NDArray[np.float32]]] = [{} for _ in windows]
        for place, (i, suffix, _) in enumerate(wanted):
            of_window[i] |= {f"{branch}{suffix}": rows[place] for branch, rows in vectors.items()}
        return [Embedding(window, found) for window, found in zip(windows, of_window, strict=True)]

    @names_lost_device
    def embed_samples(
        self, samples: NDArray[np.float32], separate_as: SeparateAs | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Windows (B, 160000) at 16 kHz, nominally in [-1, 1], to unit-length embeddings (B, D) by branch.

        They are separated first where `separate_as` tells so, as by `embed`. Raises EmbeddingError and EngineError as
        `embed` does, and EngineError for another shape.
        """
        named = [(i, f"window {i} of {len(samples)}") for i in range(len(samples))]
        _check(samples, named)
        samples = _bearable(samples)
        found: dict[str, NDArray[np.float32]] = {}
        for suffix, machine_type in ways(separate_as).items():
            heard = samples
            if machine_type is not None:
                heard = self._separator.separate(samples, machine_type)
                _refuse(_not_finite(heard), named, NO_ESTIMATE)
            vectors = self._vectors((self._spectrograms(part) for part in self._batches(heard)), named)
            found |= {f"{branch}{suffix}": rows for branch, rows in vectors.items()}
        return found

    @property
    def patches(self) -> PatchGrid | None:
        """As `Reconstruction.patches`."""
        return self._reconstruction.patches

    @names_lost_device
    def reconstruction_errors(self, samples: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
        """As `Reconstructor.reconstruction_errors`."""
        return self._reconstruction.errors(_bearable(samples), turn)

    def _batches(self, windows: Windows) -> Iterator[Windows]:
        for first in range(0, len(windows), self.max_batch):
            yield windows[first : first + self.max_batch]

    def _spectrograms(self, samples: NDArray[np.float32]) -> list[Tensor]:
        """What the encoders hear of windows (B, 160000) that have nothing to do with each other."""
        with torch.inference_mode():
            waveform = upload(np.ascontiguousarray(samples), self.placement.device)
            return shared_front_ends(waveform, self._encoders.front_ends)

    def _vectors(self, batches: Iterable[Sequence[Tensor]], named: Sequence[Named]) -> dict[str, NDArray[np.float32]]:
        """Unit-length embeddings (B, D) by branch from the spectrograms of one batch after the other."""
        parts = [self._encoders.embed(spectrograms) for spectrograms in batches]
        vectors: dict[str, NDArray[np.float32]] = {}
        for branch in self.branches:
            rows = np.concatenate([part[branch.name] for part in parts]) if parts else np.zeros((0, 0), np.float32)
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
            unusable = ~(np.isfinite(lengths) & (lengths > 0))[:, 0]
            _refuse(unusable, named, f"gave an embedding in branch {branch.name!r} that is NaN, infinite or zero")
            rows = (rows / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
            rows.setflags(write=False)
            vectors[branch.name] = rows
        return vectors


def _check(windows: Sequence[NDArray[np.float32]] | NDArray[np.float32], named: Sequence[Named]) -> None:
    """Refuse what is no window of finite samples."""
    for samples in windows:
        if samples.shape != (WINDOW_SAMPLES,):
            raise EngineError(f"a window has shape {samples.shape}; ({WINDOW_SAMPLES},) is expected")
    _refuse(_not_finite(windows), named, "holds samples that are NaN or infinite")


def _bearable(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy without what no sound is."""
    bearable: NDArray[np.float32] = np.clip(samples, -LOUDEST, LOUDEST, dtype=np.float32)
    return bearable


def _not_finite(rows: Iterable[NDArray[np.float32]]) -> NDArray[np.bool_]:
    return np.array([not np.isfinite(row).all() for row in rows], np.bool_)


def _refuse(faulty: NDArray[np.bool_], named: Sequence[Named], what: str) -> None:
    found = dict(named[int(i)] for i in np.flatnonzero(faulty))
    if found:
        others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        name = next(iter(found.values()))
        raise EmbeddingError(f"{name}{others} {what}, so it cannot be scored", tuple(found))
