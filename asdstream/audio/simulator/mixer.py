"""Voices, second by second, through their paths: overlap-add of excitations convolved by FFT."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import EXCITATION_SECONDS, Chunk
from asdstream.audio.simulator.voice import Voice


class Mixer:
    """Renders one chunk of a set of voices, heard through a common `path` (room and microphone).

    Voices that share a response share its FFT. Excitations last 1.25 s at most and all responses together less than
    0.75 s, so that a chunk with its tail fits into two seconds and the circular convolution never wraps.
    """

    def __init__(self, voices: Sequence[Voice], path: NDArray[np.float64], sample_rate: int) -> None:
        self._size = 2 * sample_rate
        self._sample_rate = sample_rate
        common = np.fft.rfft(path, self._size)
        groups: dict[int, list[Voice]] = {}
        for voice in voices:
            groups.setdefault(id(voice.response), []).append(voice)
        self._groups: list[tuple[list[Voice], NDArray[np.complex64]]] = []
        for members in groups.values():
            response = members[0].response
            transfer = common if response is None else common * np.fft.rfft(response, self._size)
            self._groups.append((members, transfer.astype(np.complex64)))

    def render(self, chunk: Chunk, weight: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Sound excited during `chunk`, its decay included, (2 sample_rate,); `weight` (sample_rate,) scales the
        excitation, what runs past the end of the chunk by the last of it."""
        spectrum: NDArray[np.complex64] | None = None
        for voices, transfer in self._groups:
            excitation = np.zeros(round(EXCITATION_SECONDS * self._sample_rate), dtype=np.float32)
            for voice in voices:
                sound = voice.excitation(chunk)
                excitation[: len(sound)] += voice.amplitude * sound
            if weight is not None:
                excitation[: self._sample_rate] *= weight
                excitation[self._sample_rate :] *= weight[-1]
            part = np.asarray(np.fft.rfft(excitation, self._size), dtype=np.complex64)
            part *= transfer
            spectrum = part if spectrum is None else np.add(spectrum, part, out=spectrum)
        if spectrum is None:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(np.fft.irfft(spectrum, self._size), dtype=np.float32)
