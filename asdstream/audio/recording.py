"""Recordings on disk: finding them, checking them, reading them whole or in blocks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asdstream.audio.block import AudioBlock
from asdstream.audio.sound_format import LOUDEST, format_problem
from asdstream.audio.source import AudioError
from asdstream.audio.wav import WavError, is_riff, read_wav_header

SUFFIXES = (".flac", ".wav")
MAX_WHOLE_BYTES = 2 << 30
"""Of float32 samples, for a recording read in one piece: 9 hours of 16 kHz mono."""

_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
_BLOCK_FRAMES = 65_536
_UNKNOWN_FRAMES = 1 << 60
"""libsndfile gives a number beyond any file for a FLAC without a length, and then cannot read it."""


def find_recordings(paths: Sequence[Path]) -> list[Path]:
    """All WAV and FLAC files among `paths`, folders searched to the bottom; each folder's in the order of their names.

    Raises AudioError where a path does not exist, is of another kind, may not be looked at, or nothing is found.
    """
    found: list[Path] = []
    for path in paths:
        try:
            found += _recordings_at(path)
        except OSError as error:
            raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not found:
        raise AudioError("no recording is named; a .wav or .flac file, or a folder of them, is needed")
    return found


def _recordings_at(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not inside:
            raise AudioError(f"{path} holds no recording; .wav or .flac files are looked for, in its folders too")
        return inside
    if not path.is_file():
        raise AudioError(f"{path} does not exist; a .wav or .flac file, or a folder of them, is needed")
    if path.suffix.lower() not in SUFFIXES:
        raise AudioError(f"{path} is neither .wav nor .flac; convert it to one of them first")
    return [path]


class Recording:
    """An open recording, read from its beginning to its end.

    Raises AudioError at once where the file is missing, empty, no WAV or FLAC, a WAV shorter than its header says,
    or without a frame of sound.
    """

    def __init__(self, path: Path) -> None:
        # libsndfile is slow to load, and most commands read no recording.
        import soundfile

        self.path = path
        try:
            _check_beginning(path)
            self._file = soundfile.SoundFile(path)
        except OSError as error:
            raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path} is not a WAV or FLAC recording: {error.error_string}") from error
        try:
            self._check_format()
        except AudioError:
            self._file.close()
            raise
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames = int(self._file.frames)
        """What the header states."""
        self._read = 0

    def _check_format(self) -> None:
        if self._file.format not in _FORMATS:
            raise AudioError(f"{self.path} holds {self._file.format}, not WAV or FLAC; convert it first")
        problem = format_problem(self._file.samplerate, self._file.channels)
        if problem:
            raise AudioError(f"{self.path} cannot be used: {problem}")
        if self._file.frames >= _UNKNOWN_FRAMES:
            raise AudioError(f"{self.path} does not state its length (it was written to a pipe); encode it to a file")
        if self._file.frames == 0:
            raise AudioError(f"{self.path} has a header but no sound in it (zero length)")

    def read(self, frames: int) -> AudioBlock | None:
        """Up to `frames` more; None at the end. Raises AudioError where the file breaks off or is damaged."""
        import soundfile

        try:
            samples = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{self.path} is truncated or damaged: after {self._read / self.sample_rate:.2f} s of sound it cannot "
                f"be read on ({error.error_string})"
            ) from error
        self._read += len(samples)
        if not len(samples):
            if self._read < self.frames:
                raise AudioError(
                    f"{self.path} is truncated: its header states {self.frames} frames of sound, {self._read} are there"
                )
            return None
        return AudioBlock(samples, self.sample_rate)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()


def recording_seconds(path: Path) -> float:
    """How long a recording is, as its header states. Raises AudioError as `Recording` does."""
    recording = Recording(path)
    recording.close()
    return recording.frames / recording.sample_rate


def read_recording(path: Path) -> AudioBlock:
    """A whole recording.

    Raises AudioError as `Recording` does, and where the file is truncated, too long to be read in one piece, or holds
    a sample that is not a number or absurdly large.
    """
    recording = Recording(path)
    try:
        blocks = list(_blocks_of(recording))
    finally:
        recording.close()
    samples = np.concatenate([block.samples for block in blocks])
    # Block by block, since a recording may be as large as memory bears. NaN is not loud, but no sound either.
    damaged = np.flatnonzero(np.concatenate([~(np.abs(block.samples) <= LOUDEST).all(axis=1) for block in blocks]))
    if len(damaged):
        nan = not np.isfinite(samples[damaged]).all()
        what = "not a number (NaN or infinite)" if nan else f"louder than {LOUDEST:g} times full scale"
        raise AudioError(
            f"{path} holds {len(damaged)} frames that are {what}, the first at "
            f"{damaged[0] / recording.sample_rate:.3f} s; a recording must hold sound throughout"
        )
    return AudioBlock(samples, recording.sample_rate)


def _blocks_of(recording: Recording) -> Iterator[AudioBlock]:
    total = 0
    while (block := recording.read(_BLOCK_FRAMES)) is not None:
        total += block.samples.nbytes
        if total > MAX_WHOLE_BYTES:
            raise AudioError(
                f"{recording.path} is too long to be read in one piece (over {MAX_WHOLE_BYTES >> 20} MiB of samples); "
                "split it, or play it through a channel with a file source"
            )
        yield block


def _check_beginning(path: Path) -> None:
    """Refuse what libsndfile would take without a word: an empty file, and a WAV shorter than its header says."""
    with path.open("rb") as file:
        start = file.read(12)
        if not start:
            raise AudioError(f"{path} is empty (0 bytes); a WAV or FLAC recording is needed")
        if not is_riff(start):
            return
        file.seek(0)
        try:
            header = read_wav_header(file)
        except WavError as error:
            raise AudioError(f"{path} is not a whole WAV recording: {error}") from error
        size = path.stat().st_size
    if header.data_bytes is not None and header.data_offset + header.data_bytes > size:
        raise AudioError(
            f"{path} is truncated: its header states {header.data_bytes} bytes of sound, "
            f"{max(size - header.data_offset, 0)} are there"
        )
