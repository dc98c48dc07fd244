"""asdstream feed, as a stranger meets it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from processes import asdstream_here


@pytest.fixture
def config(tmp_path: Path, mosquitto: MosquittoBroker) -> Path:
    path = tmp_path / "asdstream.toml"
    path.write_text(
        f"""[mqtt]
port = {mosquitto.port}
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = {{ kind = "mqtt", max_message_bytes = 20_000 }}
"""
    )
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    return path


def test_a_recording_that_cannot_be_read_is_named_and_the_others_are_fed(config: Path, tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"")
    done = asdstream_here("feed", tmp_path / "a.wav", tmp_path / "b.wav", "--channel", "fan-1", "-c", config)
    assert done.returncode == 1
    assert "fed 1.0 s of sound" in done.stdout
    assert "1 files were passed over; the last:" in done.stderr
    assert "b.wav is empty" in done.stderr


def test_messages_that_the_daemon_would_refuse_are_not_sent(config: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "fast.wav", np.zeros((48_000, 2)), 48_000)
    done = asdstream_here("feed", tmp_path / "fast.wav", "--channel", "fan-1", "-c", config)
    assert done.returncode == 1
    assert "(48000 Hz, 2 channels) is 96044 bytes, and the channel's max_message_bytes is 20000" in done.stderr
