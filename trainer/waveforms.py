"""Training sound, decoded or rendered once and kept in one file that every worker maps into its memory."""

import copy
import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asdstream.atomic import fsync_directory
from trainer.errors import DataError
from trainer.sound import Recording

LEAST_SAMPLES = 560
"""Two frames of a filter bank; what is shorter has no spectrogram."""

_MAGIC = b"ASDWAVE1"
_HEADER = struct.Struct("<8sQQ")
"""Magic, number of recordings, limit in bytes that held when the file was written."""
_ROW = np.dtype([("start", "<i8"), ("samples", "<i8"), ("scale", "<f8")])
"""Where a recording stands in the file, in samples; start -1: it did not fit."""
_TOGETHER = 8
"""Recordings in a row that one worker makes, since neighbours often share what the simulator prepares."""
_AHEAD = 2
"""Such rows per worker that are under way or wait to be written, so that memory stays small."""

Encoded = tuple[NDArray[np.int16], float]
"""Samples, and the factor that turns them into sound."""


class Waveforms:
    """The sound of `recordings`, by their place, 16 kHz mono.

    `fill` writes it to one file in `folder`, 16 bit with a scale of its own for each recording: the loudest sample is
    the largest number, so nothing clips and the rounding noise lies 98 dB below. The file is known by the names and
    identities of the recordings, and a later run finds it there. Recordings beyond `limit_bytes` are read anew
    whenever they are asked for, and sound the same. Can be pickled when the recordings can.
    """

    def __init__(self, recordings: Sequence[Recording], folder: Path, limit_bytes: int) -> None:
        self._recordings = tuple(recordings)
        self._limit_bytes = limit_bytes
        listed = "\n".join(f"{recording.name}\t{recording.identity}" for recording in self._recordings)
        self._path = folder / f"waveforms-{hashlib.sha256(listed.encode()).hexdigest()[:16]}.i16"
        self._table = np.full(len(self._recordings), -1, dtype=_ROW)
        self._offset = 0
        self._mapped: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self._recordings)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_mapped": None}

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What the sound is of, in order."""
        return self._recordings

    @property
    def kept(self) -> int:
        """How many recordings are in the file."""
        return int(np.count_nonzero(self._table["start"] >= 0))

    def fill(self, workers: int = 1, on_recording: Callable[[], None] = lambda: None) -> None:
        """Write the file, unless an earlier run did; `on_recording` is called after each recording.

        With more than one worker the recordings are made in that many processes and must be picklable. Raises
        DataError or AudioError for a recording that cannot be used, and DataError where the file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _only_one(self._path.with_suffix(".lock")):
                if not self._open():
                    self._write(workers, on_recording)
                    if not self._open():
                        raise DataError(f"{self._path} was changed by another program while it was written; run again")
                    return
        except OSError as error:
            what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            raise DataError(f"{self._path} cannot be written: {what}") from error
        for _ in self._recordings:
            on_recording()

    def part(self, recordings: Iterable[Recording]) -> "Waveforms":
        """The same file for some of the recordings only, by their place among these. KeyError for one not here."""
        places = {_key(recording): place for place, recording in enumerate(self._recordings)}
        chosen = [places[_key(recording)] for recording in recordings]
        part = copy.copy(self)
        part._recordings = tuple(self._recordings[place] for place in chosen)
        part._table = self._table[chosen]
        return part

    def seconds(self, index: int) -> float:
        """Length of one recording."""
        return self._recordings[index].seconds

    def samples(self, index: int, start: int, count: int) -> NDArray[np.float32]:
        """`count` samples from sample `start` on, float32 (count,), zeros beyond the end; `start` is 0 or more."""
        row = self._table[index]
        first = int(row["start"])
        if first >= 0:
            stretch = self._samples_in_file()[first + min(start, row["samples"]) : first + row["samples"]][:count]
            scale = float(row["scale"])
        else:
            encoded, scale = _encoded(self._recordings[index])
            stretch = encoded[start:][:count]
        sound = np.zeros(count, dtype=np.float32)
        np.multiply(stretch, np.float32(scale), out=sound[: len(stretch)])
        return sound

    def _samples_in_file(self) -> NDArray[np.int16]:
        if self._mapped is None:
            self._mapped = np.memmap(self._path, dtype=np.int16, mode="r", offset=self._offset)
        return self._mapped

    def _open(self) -> bool:
        """Take the table of the file, if it is there, whole, and what this limit would have it be."""
        try:
            with self._path.open("rb") as file:
                magic, count, limit_bytes = _HEADER.unpack(file.read(_HEADER.size))
                table = file.read(count * _ROW.itemsize if magic == _MAGIC else 0)
        except (FileNotFoundError, struct.error):
            return False
        if len(table) != len(self._recordings) * _ROW.itemsize:
            return False
        rows = np.frombuffer(table, dtype=_ROW)
        held = rows["start"] >= 0
        sound_bytes = 2 * int(rows["samples"][held].sum())
        offset = _HEADER.size + len(table)
        same_limit = limit_bytes == self._limit_bytes or (held.all() and sound_bytes <= self._limit_bytes)
        if not same_limit or self._path.stat().st_size != offset + sound_bytes:
            return False
        self._table, self._offset, self._mapped = rows, offset, None
        return True

    def _write(self, workers: int, on_recording: Callable[[], None]) -> None:
        partial = self._path.with_suffix(".partial")
        table = np.full(len(self._recordings), -1, dtype=_ROW)
        try:
            with partial.open("wb") as file:
                file.write(_HEADER.pack(_MAGIC, len(table), self._limit_bytes))
                file.write(table.tobytes())
                self._write_samples(file, table, workers, on_recording)
                file.seek(_HEADER.size)
                file.write(table.tobytes())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        fsync_directory(self._path.parent)

    def _write_samples(
        self, file: BinaryIO, table: NDArray[np.void], workers: int, on_recording: Callable[[], None]
    ) -> None:
        written = 0
        for place, (samples, scale) in enumerate(_made(self._recordings, workers)):
            if 2 * (written + len(samples)) > self._limit_bytes:
                for _ in self._recordings[place:]:
                    on_recording()
                return
            file.write(samples.tobytes())
            table[place] = (written, len(samples), scale)
            written += len(samples)
            on_recording()


def _key(recording: Recording) -> tuple[str, str]:
    return recording.name, recording.identity


def _encoded(recording: Recording) -> Encoded:
    sound = recording.read()
    if len(sound) < LEAST_SAMPLES:
        raise DataError(f"{recording.name} holds {len(sound)} samples, too few for a spectrogram")
    peak = float(np.abs(sound).max())
    if not np.isfinite(peak):
        raise DataError(f"{recording.name} holds samples that are not a number; a recording must hold numbers")
    scale = (peak or 1.0) / np.iinfo(np.int16).max
    return np.round(sound.astype(np.float64) / scale).astype(np.int16), scale


def _made(recordings: Sequence[Recording], workers: int) -> Iterator[Encoded]:
    """Every recording in order, made in this process or in `workers` others, never far ahead of the one taken."""
    if workers <= 1:
        yield from map(_encoded, recordings)
        return
    size = min(_TOGETHER, -(-len(recordings) // workers))
    waiting = (recordings[at : at + size] for at in range(0, len(recordings), size))
    # Threads of this process may hold locks that a forked child would wait for in vain.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        under_way = [pool.submit(_all_encoded, several) for several in islice(waiting, _AHEAD * workers)]
        try:
            while under_way:
                yield from under_way.pop(0).result()
                under_way += [pool.submit(_all_encoded, several) for several in islice(waiting, 1)]
        except BrokenProcessPool as error:
            raise DataError(
                "a worker that makes training sound was ended from outside, perhaps for want of memory; "
                "ask for fewer workers"
            ) from error
        finally:
            for future in under_way:
                future.cancel()


def _all_encoded(recordings: Sequence[Recording]) -> list[Encoded]:
    return [_encoded(recording) for recording in recordings]


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Several processes of one training share the file: the first writes it, the others wait for that."""
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
