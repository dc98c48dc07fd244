"""A sound card that is not there: ALSA's `file` device, which reads what a test writes into a pipe.

ALSA reads the pipe in the stream's own sample format (float32 here), and blocks while it is empty, so the writer sets
the pace as a sound card's clock would. Silence of the writer is a device that has died.
"""

import fcntl
import os
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.portaudio import import_sounddevice
from asdstream.audio.source import AudioError

ALSA_CONF = Path("/usr/share/alsa/alsa.conf")
NAME = "floor_microphone"
MOST_WAITING_CHUNKS = 3
"""A pipe holds 64 KiB, and a chunk must fit whole."""

ASOUNDRC = """
<{alsa_conf}>
pcm.{name} {{
    type file
    slave.pcm {{ type null }}
    file "/dev/null"
    infile "{pipe}"
    format "raw"
}}
"""


def require_alsa() -> None:
    """Skip where there is no ALSA or no PortAudio to capture with."""
    if not ALSA_CONF.exists():
        pytest.skip(f"ALSA's configuration is not installed ({ALSA_CONF}; Debian package libasound2-data)")
    try:
        import_sounddevice()
    except AudioError as error:
        pytest.skip(str(error))


class VirtualMicrophone:
    """Plays `sound(position, count)`, float32 at `rate`, as an ALSA device called NAME, except while paused.

    A process sees the device when `environment` is added to its own.
    """

    def __init__(self, folder: Path, sound: Callable[[int, int], NDArray[np.float32]], rate: int) -> None:
        self.paused = False
        self._sound = sound
        self._rate = rate
        # A tenth of a second, which is what the source asks for at a time: ALSA does not wait for the rest of less.
        self._chunk = rate // 10
        pipe = folder / "sound.pipe"
        os.mkfifo(pipe)
        asoundrc = folder / "asoundrc"
        asoundrc.write_text(ASOUNDRC.format(alsa_conf=ALSA_CONF, name=NAME, pipe=pipe))
        self.environment = {"ALSA_CONFIG_PATH": str(asoundrc)}
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
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
                samples = self._sound(position, self._chunk).astype("<f4")
                if self._bytes_waiting() + samples.nbytes <= MOST_WAITING_CHUNKS * samples.nbytes:
                    # Nothing is written ahead while nobody records.
                    os.write(self._descriptor, samples.tobytes())
                    position += self._chunk
            due += self._chunk / self._rate
            self._stopping.wait(max(0.0, due - time.monotonic()))
