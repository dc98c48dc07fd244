"""A microphone on this machine, through PortAudio."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from asdstream.audio.block import AudioBlock
from asdstream.audio.devices import InputDevice, find_device, list_devices
from asdstream.audio.inbox import Inbox
from asdstream.audio.portaudio import CARD_READY_S, PortAudio, portaudio
from asdstream.audio.sound_format import format_problem
from asdstream.audio.source import AudioError, SourceState
from asdstream.backoff import backoff_s

log = structlog.get_logger()

INBOX_S = 10.0
BLOCKS_PER_SECOND = 10
STALL_S = 2.0
"""A device that gives no sound for so long is gone, whatever its driver says."""
LONGEST_BACKOFF_S = 10.0
TEND_EVERY_S = 0.2
STOP_WITHIN_S = 1.5
"""Closing a stream whose device has vanished can hang inside the driver; then it is left to the end of the process."""


class MicrophoneSource:
    """Captures from the device of that name or stable id (see `devices`), opened again whenever it comes back.

    Without `sample_rate` the device's own is taken, without `channels` its first channel. The sound waits in an inbox
    of 10 s; an overrun of the device or of the inbox is a gap, and so is the time in which the device was away.
    Opening and closing can block, so a thread of its own does it.
    """

    def __init__(
        self,
        device: str,
        sample_rate: int | None = None,
        channels: int | None = None,
        *,
        audio: PortAudio | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        problem = format_problem(sample_rate or 16_000, 1 if channels is None else channels)
        if problem:
            raise AudioError(f"the microphone {device!r} cannot be opened as configured: {problem}")
        self._device = device
        self._sample_rate = sample_rate
        self._channels = channels or 1
        self._audio = audio
        self._clock = clock
        self._inbox = Inbox(INBOX_S)
        self._stream: Any = None
        self._last_sound = 0.0
        self._heard = False
        self._heard_ever = False
        self._overflows = 0
        self._attempts = 0
        self._next_attempt = 0.0
        self._listing = 0
        self._logged: str | None = None
        self._problem: str | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def paced(self) -> bool:
        """The sound card keeps to real time."""
        return True

    @property
    def state(self) -> SourceState:
        """LIVE while sound comes."""
        return SourceState.LIVE if self._heard else SourceState.WAITING

    @property
    def problem(self) -> str | None:
        """Why no sound comes."""
        return self._problem

    @property
    def rejected(self) -> int:
        """A microphone has nothing to refuse."""
        return 0

    @property
    def overflows(self) -> int:
        """How often the device said that it had to drop sound."""
        return self._overflows

    @property
    def dropped_seconds(self) -> float:
        """Sound dropped because it was not fetched in time."""
        return self._inbox.dropped_seconds

    def start(self, now: float) -> None:
        """Begin to capture. Raises AudioError where PortAudio is not installed; a device that is away is waited for."""
        self._audio = self._audio or portaudio()
        self._next_attempt = now
        self._stopping.clear()
        self._thread = threading.Thread(target=self._supervise, name=f"microphone {self._device}", daemon=True)
        self._thread.start()

    def poll(self, now: float) -> list[AudioBlock]:  # noqa: ARG002 - the device keeps its own time
        """What has been captured since the last call."""
        return self._inbox.drain()

    def stop(self) -> None:
        """Release the device."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)
            self._thread = None

    def tend(self, now: float) -> None:
        """Open the device, see whether it lives, or give it up. The source's own thread does this all the time."""
        audio = self._audio = self._audio or portaudio()
        if self._stream is not None:
            reason = self._reason_to_close(audio, now)
            if reason is None:
                if self._heard:
                    self._attempts = 0
                    self._say(None)
                return
            self._close(audio)
            self._retry_later(now, reason, disturbed=audio.refresh_wanted)
        elif not audio.refresh_wanted and (now >= self._next_attempt or audio.listings != self._listing):
            self._open(audio, now)

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tend(self._clock())
            except Exception as error:
                # Whatever a driver comes up with, the channel must not die of it.
                self._retry_later(self._clock(), f"the microphone {self._device!r} failed: {error}")
            self._stopping.wait(TEND_EVERY_S)
        if self._stream is not None and self._audio is not None:
            self._close(self._audio)

    def _open(self, audio: PortAudio, now: float) -> None:
        with audio.steady():
            if audio.outdated():
                self._next_attempt = now + CARD_READY_S
                return
            found = find_device(self._device, list_devices(audio))
            self._listing = audio.listings
            if isinstance(found, str):
                self._retry_later(now, found)
                audio.relist_if_old()
                return
            sample_rate = self._sample_rate or found.sample_rate
            self._last_sound = now
            try:
                self._stream = audio.open_input(
                    device=found.index,
                    samplerate=sample_rate,
                    channels=self._channels,
                    dtype="float32",
                    blocksize=sample_rate // BLOCKS_PER_SECOND,
                    latency="high",
                    callback=self._receiver(sample_rate),
                )
            except Exception as error:
                self._retry_later(now, _cannot_open(found, sample_rate, self._channels, error))
                audio.relist_if_old()

    def _receiver(self, sample_rate: int) -> Callable[[NDArray[np.float32], int, object, Any], None]:
        """What PortAudio calls, on a thread of its own, with every block."""

        def receive(samples: NDArray[np.float32], frames: int, times: object, status: Any) -> None:  # noqa: ARG001
            if status.input_overflow:
                self._overflows += 1
                self._inbox.mark_gap()
            self._inbox.put(AudioBlock(samples.copy(), sample_rate))
            self._last_sound = self._clock()
            self._heard = self._heard_ever = True

        return receive

    def _reason_to_close(self, audio: PortAudio, now: float) -> str | None:
        if audio.refresh_wanted:
            return "the list of sound devices is being renewed"
        if not self._stream.active:
            return f"the microphone {self._device!r} has stopped"
        if now - self._last_sound > STALL_S:
            return f"the microphone {self._device!r} gives no sound, so it is opened again"
        return None

    def _close(self, audio: PortAudio) -> None:
        stream, self._stream = self._stream, None
        self._heard = False
        audio.close(stream)
        if self._heard_ever:
            self._inbox.mark_gap()

    def _retry_later(self, now: float, problem: str, disturbed: bool = False) -> None:
        self._next_attempt = (
            now
            if disturbed
            else now + backoff_s(self._attempts, first_s=0.5, longest_s=LONGEST_BACKOFF_S, chance=random.random())
        )
        self._attempts += not disturbed
        self._say(problem)

    def _say(self, problem: str | None) -> None:
        """Keep the problem for `problem`, and log it when it is a new one."""
        self._problem = problem
        if problem == self._logged:
            return
        self._logged = problem
        if problem is None:
            log.info("microphone_live", device=self._device)
        else:
            log.warning("microphone_away", device=self._device, problem=problem)


def _cannot_open(device: InputDevice, sample_rate: int, channels: int, error: Exception) -> str:
    return (
        f"the microphone {device.name!r} cannot be opened at {sample_rate} Hz with {channels} channels ({error}); "
        f"it offers {device.sample_rate} Hz and up to {device.channels} channels"
    )
