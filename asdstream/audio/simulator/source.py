"""A simulated machine as a source of sound."""

import threading

from asdstream.audio.block import AudioBlock
from asdstream.audio.simulator.fault import FaultSchedule
from asdstream.audio.simulator.machine import MachineSpec
from asdstream.audio.simulator.simulator import Simulator, SimulatorStream
from asdstream.audio.source import SourceState

_BLOCK_S = 0.1
_MOST_PER_POLL_S = 10.0


class SimulatorSource:
    """Delivers the machine of `spec` in blocks of 0.1 s.

    With `realtime` it keeps to the clock given to `poll`; a pause between polls is made up for, up to 10 s at a time.
    Without, each poll gives one second. `start_fault` and `end_fault` may be called from any thread.
    """

    def __init__(
        self,
        spec: MachineSpec,
        seed: int = 0,
        schedule: FaultSchedule | None = None,
        realtime: bool = True,
        sample_rate: int = 16_000,
    ) -> None:
        self._stream: SimulatorStream = Simulator(spec, seed, sample_rate).stream(schedule)
        self._rate = sample_rate
        self._realtime = realtime
        self._block = round(_BLOCK_S * sample_rate)
        self._started: float | None = None
        self._blocks = 0
        self._state = SourceState.WAITING
        self._lock = threading.Lock()

    @property
    def paced(self) -> bool:
        return self._realtime

    @property
    def state(self) -> SourceState:
        return self._state

    @property
    def problem(self) -> str | None:
        return None

    @property
    def rejected(self) -> int:
        return 0

    @property
    def position_s(self) -> float:
        """Seconds delivered so far."""
        return self._blocks * self._block / self._rate

    @property
    def fault(self) -> FaultSchedule | None:
        """The fault that is set, running or yet to come."""
        return self._stream.schedule

    def start(self, now: float) -> None:
        self._started = now
        self._state = SourceState.LIVE

    def poll(self, now: float) -> list[AudioBlock]:
        if self._started is None:
            return []
        count = round(1.0 / _BLOCK_S)
        if self._realtime:
            due = int((now - self._started) * self._rate / self._block) - self._blocks
            count = max(0, min(due, round(_MOST_PER_POLL_S / _BLOCK_S)))
        blocks = []
        with self._lock:
            for _ in range(count):
                blocks.append(AudioBlock(self._stream.read(self._block)[:, None], self._rate))
                self._blocks += 1
        return blocks

    def stop(self) -> None:
        self._started = None
        self._state = SourceState.WAITING

    def start_fault(self, kind: str, ramp_s: float, severity: float = 1.0) -> FaultSchedule:
        """Let the machine fail: from within the next second on, growing to `severity` over `ramp_s` seconds."""
        with self._lock:
            return self._stream.start_fault(kind, ramp_s, severity)

    def end_fault(self) -> None:
        """Repair the machine, from within the next second on."""
        with self._lock:
            self._stream.end_fault()
