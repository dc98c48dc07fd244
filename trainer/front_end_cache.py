"""Mel filter banks of training recordings, computed once and kept in memory where they fit."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from asdstream.models.fbank import FRAME_LENGTH, FRAME_SHIFT, FbankFrontEnd
from trainer.errors import DataError
from trainer.sound import Recording


class FrontEndCache:
    """Raw filter banks (T, 128) in float16, by the recording's place in `recordings`.

    Kept until `limit_bytes` are full; what does not fit is computed again whenever it is asked for. Half precision
    moves a value of the log-mel scale by 0.008 at most, a thousandth of its spread.
    """

    def __init__(self, recordings: Sequence[Recording], front_end: FbankFrontEnd, limit_bytes: int) -> None:
        self._recordings = tuple(recordings)
        self._front_end = front_end
        self._free = limit_bytes
        self._kept: dict[int, Tensor] = {}

    @property
    def kept(self) -> int:
        """How many recordings are in memory."""
        return len(self._kept)

    def fill(self, workers: int = 2, on_recording: Callable[[], None] = lambda: None) -> None:
        """Compute as many as fit. Raises DataError or AudioError for a recording that cannot be used."""
        with ThreadPoolExecutor(workers) as pool:
            for index, fbank in enumerate(pool.map(self._compute, range(len(self._recordings)))):
                self._keep(index, fbank)
                on_recording()
                if self._free <= 0:
                    pool.shutdown(wait=True, cancel_futures=True)
                    return

    def fbank(self, index: int) -> Tensor:
        """The raw filter bank of one recording, (T, 128) float16."""
        found = self._kept.get(index)
        return found if found is not None else self._compute(index)

    def _keep(self, index: int, fbank: Tensor) -> None:
        size = fbank.numel() * fbank.element_size()
        if size > self._free:
            self._free = 0
            return
        self._kept[index] = fbank
        self._free -= size

    def _compute(self, index: int) -> Tensor:
        recording = self._recordings[index]
        samples = recording.read()
        if len(samples) < FRAME_LENGTH + FRAME_SHIFT:
            raise DataError(f"{recording.name} holds {len(samples)} samples, too few for a spectrogram")
        with torch.inference_mode():
            return self._front_end.fbank(torch.from_numpy(samples)[None])[0].half()
