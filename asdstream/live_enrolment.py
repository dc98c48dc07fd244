"""References from live sound: what a machine sounds like from now on."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from asdstream.alarms.command import CommandRefusedError
from asdstream.audio.window import SAMPLE_RATE, Window
from asdstream.command_desk import Order
from asdstream.mqtt.commands import Command, EnrollArgs

ANSWER_WITHIN_S = 60.0
"""After the sound has come: to embed ten minutes of it beside the live windows, on a slow box."""
AT_ONCE = 4
"""Recordings of ten minutes hold 38 MB each."""


@dataclass(frozen=True, slots=True)
class LiveReference:
    """A reference made of live sound; `references` and `revision` are the machine's after it."""

    machine: str
    channel: str
    label: str
    seconds: float
    windows: int
    references: int
    revision: int


Enrol = Callable[[str, NDArray[np.float32], str, bool], LiveReference]
"""Makes a reference of 16 kHz mono sound (m,) of a channel, for an actor, forced or not."""


@dataclass(slots=True, eq=False)
class _Recording:
    command: Command
    args: EnrollArgs
    outcome: "Future[LiveReference]" = field(default_factory=Future)
    run: int = -1
    end: int = 0
    samples: int = 0
    parts: list[NDArray[np.float32]] = field(default_factory=list)

    def take(self, window: Window) -> bool:
        """Add what of `window` is new; whether that was all. Raises CommandRefusedError where sound was lost."""
        end = window.start + len(window.samples)
        if self.run != window.run:
            if self.parts:
                heard = self.samples / SAMPLE_RATE
                raise CommandRefusedError(
                    f"the sound of {self.args.machine} broke off after {heard:.0f} of {self.args.seconds:.0f} s; "
                    "a reference is a stretch without a gap"
                )
            # The first window ends with sound from before the command.
            self.run, self.end = window.run, end
            return False
        new = min(end - self.end, len(window.samples))
        if new > 0:
            self.parts.append(window.samples[-new:].copy())
            self.samples += new
            self.end = end
        return self.samples >= self.args.seconds * SAMPLE_RATE


class LiveEnrolment:
    """Puts together, of the windows of a channel, the sound that follows a command, and has it enrolled.

    It is the sound that comes after the command, not what came before: who asks knows how the machine is now, and
    nothing need be kept for a question that is rarely asked. `channels` tells which channel listens to a machine,
    `hears` whether sound comes in there. `enrol` runs in a thread of its own.
    """

    def __init__(self, channels: Mapping[str, str], hears: Callable[[str], bool], enrol: Enrol) -> None:
        self._channels = channels
        self._hears = hears
        self._enrol = enrol
        self._lock = threading.Lock()
        self._recordings: dict[str, _Recording] = {}

    def begin(self, command: Command) -> Order:
        """Record for `command`, whose arguments are `EnrollArgs`; as a `Handler`."""
        args = command.args
        if not isinstance(args, EnrollArgs):
            raise TypeError(f"{command.verb} does not enrol")
        channel = self._channels.get(args.machine)
        if channel is None:
            known = ", ".join(sorted(self._channels))
            raise CommandRefusedError(f'there is no machine "{args.machine}"; the configuration has {known}')
        if not self._hears(channel):
            raise CommandRefusedError(f"no sound comes in on channel {channel} at present, so none can be enrolled")
        recording = _Recording(command, args)
        with self._lock:
            if channel in self._recordings:
                raise CommandRefusedError(f"{args.machine} is being enrolled already; wait for that to end")
            if len(self._recordings) >= AT_ONCE:
                raise CommandRefusedError(f"{AT_ONCE} machines are being enrolled already; wait for one to end")
            self._recordings[channel] = recording
        recording.outcome.add_done_callback(lambda _: self._forget(channel))
        return Order(recording.outcome, args.seconds + ANSWER_WITHIN_S, asdict)

    def hear(self, window: Window) -> None:
        """Every window, in order, on the thread that captures; never blocks."""
        recording = self._recordings.get(window.channel)
        if recording is None or recording.outcome.running() or recording.outcome.done():
            return
        try:
            complete = recording.take(window)
        except CommandRefusedError as refused:
            if recording.outcome.set_running_or_notify_cancel():
                recording.outcome.set_exception(refused)
            return
        if complete and recording.outcome.set_running_or_notify_cancel():
            threading.Thread(
                target=self._finish, args=(window.channel, recording), name="enrolment", daemon=True
            ).start()

    def _finish(self, channel: str, recording: _Recording) -> None:
        try:
            samples = np.concatenate(recording.parts)[: round(recording.args.seconds * SAMPLE_RATE)]
            made = self._enrol(channel, samples, recording.command.actor, recording.args.force)
        except Exception as error:
            # Whoever asked is told; the daemon goes on.
            recording.outcome.set_exception(error)
        else:
            recording.outcome.set_result(made)

    def _forget(self, channel: str) -> None:
        with self._lock:
            self._recordings.pop(channel, None)
