"""A real capture through PortAudio and ALSA, from a virtual sound card that plays what is written into a pipe.

ALSA's `file` device reads the pipe in the stream's own sample format (float32 here), and blocks while it is empty, so
the writer sets the pace as a sound card's clock would. Silence of the writer is a device that has died.
"""

import fcntl
import json
import os
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asdstream.audio.portaudio import import_sounddevice
from asdstream.audio.source import AudioError

ALSA_CONF = Path("/usr/share/alsa/alsa.conf")
RATE = 48_000
CHUNK = 4800
"""A tenth of a second, which is what the source asks for at a time: ALSA does not wait for the rest of a short read."""
MOST_WAITING = 3 * CHUNK * 4
"""Bytes; a pipe holds 64 KiB, and a chunk must fit whole."""
PERIOD = 48_000
"""Samples after which the ramp in the pipe begins again."""

ASOUNDRC = """
<{alsa_conf}>
pcm.floor_microphone {{
    type file
    slave.pcm {{ type null }}
    file "/dev/null"
    infile "{pipe}"
    format "raw"
}}
"""

CAPTURE = """
import json, sys, time
import numpy as np
from asdstream.audio.channel import Channel
from asdstream.audio.devices import list_devices
from asdstream.audio.microphone import MicrophoneSource

rate, seconds = int(sys.argv[1]), float(sys.argv[2])
print(json.dumps({"devices": [[d.name, d.stable_id, d.host_api] for d in list_devices()]}), flush=True)
source = MicrophoneSource("floor_microphone", sample_rate=rate)
channel = Channel("floor", hop_s=0.5, window_s=1.0)
source.start(time.monotonic())
end, state, blocks, windows = time.monotonic() + seconds, None, [], 0
while time.monotonic() < end:
    for block in source.poll(time.monotonic()):
        blocks.append(block)
        windows += len(channel.feed(block, time.monotonic(), time.time()))
    if source.state != state:
        state = source.state
        print(json.dumps({"state": state, "problem": source.problem}), flush=True)
    time.sleep(0.02)
source.stop()
ramp = np.round(np.concatenate([block.samples[:, 0] for block in blocks]) * 48000).astype(int)
steps = np.diff(ramp)
print(json.dumps({"frames": len(ramp), "windows": windows, "gaps": channel.stats.gaps,
                  "jumps": int(np.count_nonzero((steps != 1) & (steps != 1 - 48000)))}), flush=True)
"""


class PacedPipe:
    """Writes an endless ramp of float32 into a named pipe at the sample rate, except while paused."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.paused = False
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._descriptor)

    def _bytes_waiting(self) -> int:
        answer = fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def _write(self) -> None:
        position = 0
        due = time.monotonic()
        while not self._stopping.is_set():
            if not self.paused:
                ramp = (np.arange(position, position + CHUNK) % PERIOD / PERIOD).astype("<f4")
                if self._bytes_waiting() + ramp.nbytes <= MOST_WAITING:  # more only while nobody records
                    os.write(self._descriptor, ramp.tobytes())
                    position += CHUNK
            due += CHUNK / RATE
            self._stopping.wait(max(0.0, due - time.monotonic()))


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[PacedPipe]:
    if not ALSA_CONF.exists():
        pytest.skip(f"ALSA's configuration is not installed ({ALSA_CONF}; Debian package libasound2-data)")
    try:
        import_sounddevice()
    except AudioError as error:
        pytest.skip(str(error))
    pipe = PacedPipe(tmp_path / "sound.pipe")
    yield pipe
    pipe.close()


def capture(pipe: PacedPipe, seconds: float) -> "subprocess.Popen[str]":
    """Record in a process of its own, since PortAudio reads the ALSA configuration of its process once."""
    asoundrc = pipe.path.parent / "asoundrc"
    asoundrc.write_text(ASOUNDRC.format(alsa_conf=ALSA_CONF, pipe=pipe.path))
    return subprocess.Popen(
        [sys.executable, "-c", CAPTURE, str(RATE), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ALSA_CONFIG_PATH": str(asoundrc)},
    )


def events_of(process: "subprocess.Popen[str]") -> list[dict[str, object]]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_every_sample_of_a_virtual_sound_card_arrives_in_order(pipe: PacedPipe) -> None:
    events = events_of(capture(pipe, 4.0))
    assert events[0]["devices"] == [["floor_microphone", "alsa:floor_microphone", "ALSA"]]
    assert {"state": "live", "problem": None} in events
    result = events[-1]
    assert isinstance(result["frames"], int)
    assert result["frames"] > 2.5 * RATE
    assert result["jumps"] == 0
    assert result["gaps"] == 0
    assert isinstance(result["windows"], int)
    assert result["windows"] >= 3


def test_a_card_that_falls_silent_is_waited_for_and_its_return_is_a_gap(pipe: PacedPipe) -> None:
    process = capture(pipe, 10.0)
    time.sleep(3.0)
    pipe.paused = True
    time.sleep(3.5)
    pipe.paused = False
    events = events_of(process)
    states = [event["state"] for event in events if "state" in event]
    first_live = states.index("live")
    assert states[first_live : first_live + 3] == ["live", "waiting", "live"]
    assert isinstance(events[-1]["gaps"], int)
    assert events[-1]["gaps"] >= 1
