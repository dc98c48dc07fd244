import contextlib
import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asdstream.audio.sound_format import PcmFormat, decode_pcm
from asdstream.audio.source import AudioError
from asdstream.audio.wav import WavError, parse_wav


def wav_bytes(
    subtype: str = "PCM_16", channels: int = 2, rate: int = 48_000, frames: int = 500, kind: str = "WAV"
) -> bytes:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (frames, channels))
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 8_000), (2, 44_100), (16, 192_000)])
def test_every_encoding_is_read_as_libsndfile_reads_it(subtype: str, channels: int, rate: int, kind: str) -> None:
    payload = wav_bytes(subtype, channels, rate, kind=kind)
    expected, _ = soundfile.read(io.BytesIO(payload), dtype="float32", always_2d=True)
    block = parse_wav(payload)
    assert block.sample_rate == rate
    assert block.samples.dtype == np.float32
    assert np.array_equal(block.samples, expected)


def test_a_64_bit_wav_is_read() -> None:
    payload = wav_bytes(kind="RF64")
    assert parse_wav(payload).samples.shape == (500, 2)


def test_chunks_that_are_no_sound_are_passed_over() -> None:
    payload = wav_bytes()
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert len(parse_wav(payload[:12] + extra + payload[12:] + extra).samples) == 500


def test_a_writer_that_could_not_know_the_length_is_understood() -> None:
    payload = bytearray(wav_bytes())
    at = payload.index(b"data") + 4
    payload[at : at + 4] = b"\xff\xff\xff\xff"
    assert len(parse_wav(bytes(payload) + b"\0").samples) == 500


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda wav: wav[:0], "does not begin"),
        (lambda wav: bytes(len(wav)), "does not begin"),
        (lambda wav: wav[:20], "cut short"),
        (lambda wav: wav[:36], "ends before any sound"),
        (lambda wav: wav[:-1], "cut short: its header states 2000 bytes of sound, 1999 are there"),
        (lambda wav: wav[:44], "cut short"),
        (lambda wav: wav[:40] + b"\0\0\0\0", "holds no sound"),
        (lambda wav: wav[:40] + b"\x03\0\0\0" + wav[44:], "not whole frames"),
        (lambda wav: wav[:20] + b"\x55\0" + wav[22:], "format tag 85"),
        (lambda wav: wav[:22] + b"\0\0" + wav[24:], "0 channels"),
        (lambda wav: wav[:22] + b"\xff\xff" + wav[24:], "65535 channels"),
        (lambda wav: wav[:24] + b"\x01\0\0\0" + wav[28:], "1 Hz"),
        (lambda wav: wav[:32] + b"\x02\0" + wav[34:], "contradicts itself"),
        (lambda wav: wav[:34] + b"\x0c\0" + wav[36:], "12 bit"),
        (lambda wav: wav[:12] + wav[36:], "sound comes before its format"),
        (lambda wav: wav[:12] + b"junk\0\0\0\0" * 100 + wav[12:], "more than 64 chunks"),
    ],
)
def test_a_wav_that_is_none_or_lies_is_refused_with_the_reason(change, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WavError, match=says):
        parse_wav(change(wav_bytes()))


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 60), garbage=st.binary(max_size=80))
def test_no_bytes_whatever_raise_anything_else(cut: int, garbage: bytes) -> None:
    with contextlib.suppress(WavError):
        parse_wav(wav_bytes(frames=10)[:cut] + garbage)


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("s16le", b"\x00\x80\xff\x7f", [-1.0, 32767 / 32768]),
        ("s24le", b"\x00\x00\x80\xff\xff\xff", [-1.0, -(2.0**-23)]),
        ("s32le", b"\x00\x00\x00\x80\x00\x00\x00\x40", [-1.0, 0.5]),
        ("f32le", struct.pack("<2f", 0.25, -2.0), [0.25, -2.0]),
    ],
)
def test_raw_pcm_has_full_scale_at_one(encoding, data: bytes, expected: list[float]) -> None:  # type: ignore[no-untyped-def]
    assert decode_pcm(data, encoding, 1)[:, 0].tolist() == expected
    assert decode_pcm(data, encoding, 2).shape == (1, 2)


def test_raw_pcm_in_broken_frames_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="whole frames"):
        decode_pcm(b"abc", "s16le", 1)


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "says"),
    [("s16be", 16_000, 1, "s16be"), ("s16le", 100, 1, "100 Hz"), ("s16le", 16_000, 0, "0 channels")],
)
def test_a_pcm_format_that_cannot_be_is_refused(encoding, rate: int, channels: int, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AudioError, match=says):
        PcmFormat(encoding, rate, channels)
