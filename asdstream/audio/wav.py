"""RIFF/WAVE headers: what a WAV says about itself, checked against what it holds.

Messages from the network are read with this small parser alone, so that no C library sees their bytes. Files are
decoded by libsndfile, which quietly shortens a truncated WAV; the header read here shows that.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from asdstream.audio.block import AudioBlock
from asdstream.audio.sound_format import BYTES_PER_SAMPLE, Encoding, decode_pcm, format_problem
from asdstream.audio.source import AudioError

UNKNOWN_LENGTH = 0xFFFF_FFFF
"""What a writer that cannot seek back puts for the length: the sound goes on to the end."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16le",
    (_PCM, 24): "s24le",
    (_PCM, 32): "s32le",
    (_FLOAT, 32): "f32le",
    (_FLOAT, 64): "f64le",
}
_MAX_CHUNKS = 64


class WavError(AudioError):
    """Bytes that are not a sound WAV file; the message is half a sentence, for the caller to say where."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the chunks before the sound say.

    `format_tag` and `bits` as in the fmt chunk (of an extensible one, its sub-format); `data_bytes` is the declared
    length of the sound, None where the writer left it open; `data_offset` is where it begins.
    """

    format_tag: int
    bits: int
    sample_rate: int
    channels: int
    block_align: int
    data_offset: int
    data_bytes: int | None

    @property
    def encoding(self) -> Encoding | None:
        """The PCM encoding, None for a compressed or unusual one."""
        return _ENCODINGS.get((self.format_tag, self.bits))


def is_riff(start: bytes) -> bool:
    """Whether these first 12 bytes are those of a WAV (RIFF or its 64-bit relatives)."""
    return start[:4] in (b"RIFF", b"RF64", b"BW64") and start[8:12] == b"WAVE"


def read_wav_header(file: BinaryIO) -> WavHeader:
    """Read up to the start of the sound.

    Raises WavError when the bytes are no WAV, or end before the sound begins.
    """
    if not is_riff(file.read(12)):
        raise WavError("it does not begin as a WAV file does")
    fmt: tuple[int, int, int, int, int] | None = None
    long_data_bytes: int | None = None
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise WavError("it ends before any sound (no data chunk)")
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            if fmt is None:
                raise WavError("its sound comes before its format (no fmt chunk)")
            if size == UNKNOWN_LENGTH:
                return WavHeader(*fmt, data_offset=file.tell(), data_bytes=long_data_bytes)
            return WavHeader(*fmt, data_offset=file.tell(), data_bytes=size)
        if name == b"fmt ":
            fmt = _parse_fmt(file.read(min(size, 40)))
            file.seek(max(size - 40, 0) + size % 2, io.SEEK_CUR)
        elif name == b"ds64":
            body = file.read(min(size, 24))
            if len(body) < 24:
                raise WavError("its ds64 chunk is cut short")
            long_data_bytes = struct.unpack("<Q", body[8:16])[0]
            file.seek(max(size - 24, 0) + size % 2, io.SEEK_CUR)
        else:
            file.seek(size + size % 2, io.SEEK_CUR)
    raise WavError(f"it has more than {_MAX_CHUNKS} chunks before its sound")


def _parse_fmt(body: bytes) -> tuple[int, int, int, int, int]:
    """Format tag, bits, sample rate, channels and block align of a fmt chunk."""
    if len(body) < 16:
        raise WavError("its fmt chunk is cut short")
    tag, channels, sample_rate, _, block_align, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE:
        if len(body) < 40:
            raise WavError("its extensible fmt chunk is cut short")
        # The first two bytes of the sub-format's GUID are the plain format tag.
        tag = struct.unpack("<H", body[24:26])[0]
    return tag, bits, sample_rate, channels, block_align


def parse_wav(payload: bytes) -> AudioBlock:
    """A whole WAV in memory (PCM of 8, 16, 24 or 32 bit, float of 32 or 64; extensible too) as one block.

    Raises WavError where the bytes are no WAV, are cut short, or contradict their header.
    """
    header = read_wav_header(io.BytesIO(payload))
    encoding = header.encoding
    if encoding is None:
        raise WavError(
            f"its encoding (format tag {header.format_tag}, {header.bits} bit) is none of "
            "PCM 8, 16, 24, 32 or float 32, 64"
        )
    problem = format_problem(header.sample_rate, header.channels)
    if problem:
        raise WavError(problem)
    frame_bytes = BYTES_PER_SAMPLE[encoding] * header.channels
    if header.block_align != frame_bytes:
        raise WavError(
            f"its header contradicts itself: {header.channels} x {header.bits} bit are {frame_bytes} bytes a frame, "
            f"not {header.block_align}"
        )
    present = len(payload) - header.data_offset
    declared = header.data_bytes
    if declared is None:
        declared = present - present % frame_bytes
    if declared > present:
        raise WavError(f"it is cut short: its header states {declared} bytes of sound, {present} are there")
    if declared % frame_bytes:
        raise WavError(f"its {declared} bytes of sound are not whole frames of {frame_bytes} bytes")
    if declared == 0:
        raise WavError("it holds no sound")
    sound = memoryview(payload)[header.data_offset : header.data_offset + declared]
    return AudioBlock(decode_pcm(sound, encoding, header.channels), header.sample_rate)
