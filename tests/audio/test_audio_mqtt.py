import io
import json
import threading

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from structlog.testing import capture_logs

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.channel import Channel
from asdstream.audio.mqtt import MqttSource
from asdstream.audio.sound_format import PcmFormat
from asdstream.audio.source import AudioError, SourceState

LIMIT = 1 << 20
PCM = PcmFormat("s16le", 16_000, 1)


def wav(samples: NDArray[np.float32] | None = None, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    sound = np.full(rate, 0.1, np.float32) if samples is None else samples
    soundfile.write(file, sound, rate, subtype, format="WAV")
    return file.getvalue()


def live(audio_format: str | PcmFormat = "wav", **options: float) -> MqttSource:
    source = MqttSource(audio_format, LIMIT, **options)  # type: ignore[arg-type]
    source.start(0.0)
    return source


def breaks(blocks: list[AudioBlock]) -> list[Break | None]:
    return [block.break_before for block in blocks]


def test_wav_messages_become_blocks() -> None:
    source = live()
    assert source.state is SourceState.WAITING
    assert source.problem == "no audio message has come yet"
    source.deliver(wav(rate=48_000), 1.0)
    (block,) = source.poll(1.0)
    assert (block.sample_rate, block.samples.shape, block.break_before) == (48_000, (48_000, 1), None)
    assert source.state is SourceState.LIVE
    assert source.problem is None
    assert source.paced


def test_raw_messages_are_read_in_the_configured_format() -> None:
    source = live(PcmFormat("s24le", 48_000, 2))
    source.deliver(b"\x00\x00\x40" * 4800, 1.0)
    (block,) = source.poll(1.0)
    assert (block.sample_rate, block.samples.shape) == (48_000, (2400, 2))
    assert np.all(block.samples == 0.5)


BAD = [
    ("wav", b"", "empty"),
    ("wav", b"\x00" * 1000, "not_wav"),
    ("wav", json.dumps({"level": 3, "unit": "dB"}).encode(), "not_wav"),
    ("wav", np.zeros(1000, "<i2").tobytes(), "not_wav"),
    ("wav", wav()[:-100], "bad_wav"),
    ("wav", wav()[:44], "bad_wav"),
    ("wav", wav(subtype="ULAW"), "bad_wav"),
    ("wav", b"x" * (LIMIT + 1), "too_large"),
    (PCM, b"", "empty"),
    (PCM, wav(), "not_raw"),
    (PCM, b"fLaC" + bytes(1000), "not_raw"),
    (PCM, json.dumps({"level": 3, "unit": "dB", "x": 1}).encode(), "not_raw"),
    (PCM, b"\x00" * 1001, "not_whole_frames"),
    (PCM, b"\x00" * (LIMIT + 2), "too_large"),
]


@pytest.mark.parametrize(("audio_format", "payload", "kind"), BAD)
def test_a_bad_message_is_counted_logged_once_and_the_channel_lives_on(
    audio_format: str | PcmFormat, payload: bytes, kind: str
) -> None:
    source = live(audio_format)
    with capture_logs() as logs:
        for _ in range(3):
            source.deliver(payload, 1.0)
    assert source.rejected == 3
    assert source.rejected_by_kind == {kind: 3}
    assert [(entry["event"], entry["kind"]) for entry in logs] == [("audio_message_rejected", kind)]
    assert source.problem == logs[0]["problem"]
    assert source.poll(1.0) == []
    source.deliver(wav() if audio_format == "wav" else bytes(32_000), 2.0)
    assert len(source.poll(2.0)) == 1
    assert source.problem is None


def test_what_is_not_even_bytes_does_not_raise() -> None:
    source = live()
    source.deliver(None, 1.0)  # type: ignore[arg-type]
    assert source.rejected_by_kind == {"unreadable": 1}


def test_a_damaged_message_leaves_a_gap_and_a_stranger_s_message_none() -> None:
    source = live()
    source.deliver(wav(), 1.0)
    source.deliver(b"{}", 1.5)
    source.deliver(wav(), 2.0)
    source.deliver(wav()[:-10], 3.0)
    source.deliver(wav(), 4.0)
    assert breaks(source.poll(4.0)) == [None, None, Break.GAP]


def test_silence_beyond_the_sound_delivered_is_a_gap() -> None:
    source = live(silence_gap_s=2.0)
    for now in (1.0, 2.0, 3.0, 4.0):
        source.deliver(wav(), now)
    source.poll(6.9)
    assert source.state is SourceState.LIVE
    source.poll(7.5)
    assert source.state is SourceState.WAITING
    assert source.problem == "audio messages have stopped coming"
    source.deliver(wav(), 8.0)
    assert breaks(source.poll(8.0)) == [Break.GAP]
    assert source.state is SourceState.LIVE


def test_a_sender_that_delivers_ten_messages_every_ten_seconds_has_no_gaps() -> None:
    source = live(silence_gap_s=2.0)
    blocks = []
    for batch in range(20):
        for _ in range(10):
            source.deliver(wav(), 10.0 * batch)
        blocks += source.poll(10.0 * batch)
    assert len(blocks) == 200
    assert set(breaks(blocks)) == {None}


def test_after_a_day_of_a_fast_clock_a_short_silence_is_still_a_gap() -> None:
    """A tenth of a percent fast is 86 s of lead a day, if nothing let it go."""
    source = live(PcmFormat("s16le", 8_000, 1), silence_gap_s=2.0)
    now = 0.0
    minute = bytes(2 * 8_000 * 60)
    for _ in range(60 * 24):
        source.deliver(minute, now)
        source.poll(now)
        now += 60 * (1 - 1e-3)
    source.deliver(minute, now + 3.0)
    assert breaks(source.poll(now)) == [Break.GAP]


def test_what_nobody_fetches_is_dropped_from_the_old_end_and_marked() -> None:
    source = live(inbox_s=5.0)
    for now in range(100):
        source.deliver(wav(), float(now))
    blocks = source.poll(100.0)
    assert breaks(blocks) == [Break.GAP, None, None, None, None]
    assert source.dropped_seconds == 95.0


def test_nan_in_a_message_passes_through_to_the_channel_which_counts_it() -> None:
    samples = np.full(16_000, 0.1, np.float32)
    samples[100] = np.nan
    source = live()
    source.deliver(wav(samples, subtype="FLOAT"), 1.0)
    channel = Channel("a", hop_s=1.0)
    for block in source.poll(1.0):
        channel.feed(block, 1.0, 0.0)
    assert channel.stats.nan_samples == 1
    assert source.rejected == 0


def test_delivery_and_polling_may_happen_at_once() -> None:
    source = live(PCM, inbox_s=1e6)
    sender = threading.Thread(target=lambda: [source.deliver(bytes(320), n / 100) for n in range(2000)])
    sender.start()
    got = 0
    while sender.is_alive():
        got += sum(len(block.samples) for block in source.poll(0.0))
    sender.join()
    got += sum(len(block.samples) for block in source.poll(0.0))
    assert got == 2000 * 160


def test_a_format_nobody_knows_is_refused() -> None:
    with pytest.raises(AudioError, match="mp3"):
        MqttSource("mp3", LIMIT)


def test_stopping_twice_is_safe() -> None:
    source = live()
    source.deliver(wav(), 1.0)
    source.stop()
    source.stop()
    assert source.poll(2.0) == []
