"""A simulated machine as sound: rendered whole, or streamed in blocks of any size."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, isfinite

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.background import background_voices
from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.fault import Fault, FaultSchedule
from asdstream.audio.simulator.machine import MachineSpec, design, faults_of
from asdstream.audio.simulator.microphone import microphone_kind, microphone_response
from asdstream.audio.simulator.mixer import Mixer
from asdstream.audio.simulator.random_stream import generator, white_noise
from asdstream.audio.simulator.room import room_response
from asdstream.audio.source import AudioError

_CALIBRATION_CHUNKS = 8
_SLOW_CYCLE_HZ = 2.0
_LOUDEST_PEAK = 0.35
_LOUDEST_FAULT_PEAK = 0.8
"""Hard knocks are kept from driving the microphone deep into saturation, which would be heard as another fault."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a recording is the sum of, each float32 of shape (n,), before the microphone saturates."""

    machine: NDArray[np.float32]
    fault: NDArray[np.float32]
    background: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Everything of a spec that needs no seed: mixers and their calibrated gains."""

    machine: Mixer
    machine_gain: np.float32
    background: Mixer
    background_gain: np.float32
    self_noise: np.float32


def _level(mixer: Mixer, spec: MachineSpec, sample_rate: int, calm: bool) -> tuple[float, float]:
    """RMS and peak of what `mixer` renders in a recording of its own.

    Seconds far apart are taken, because the level of a tone depends on where among the modes of the room its wandering
    frequency stands; of slow cycles seconds in a row, or a phase might be missed; of a machine that starts and stops
    equally spaced moments of its profile. Each second counts with its decay.
    """
    motion = design(spec.machine_type, spec.identity, sample_rate, spec.speed_rpm).motion(spec.speed_rpm, spec.load)
    apart = 61 if motion.hertz > _SLOW_CYCLE_HZ else 1
    energy = peak = 0.0
    for number in range(_CALIBRATION_CHUNKS):
        index = number * apart
        if motion.profile is not None:
            index = round((number * (5 + 1 / _CALIBRATION_CHUNKS)) * motion.profile.period_s)
        sound = mixer.render(Chunk(index, -1, sample_rate, motion, calm))
        energy += float(np.sum(np.square(sound, dtype=np.float64)))
        peak = max(peak, float(np.abs(sound).max()))
    return max(float(np.sqrt(energy / (_CALIBRATION_CHUNKS * sample_rate))), 1e-12), max(peak, 1e-12)


def _path(spec: MachineSpec, sample_rate: int) -> NDArray[np.float64]:
    room = room_response(spec.room, spec.identity, sample_rate)
    size = 1 << (2 * len(room) - 1).bit_length()
    microphone = microphone_response(spec.microphone, sample_rate, spec.identity)
    spectrum = np.fft.rfft(room, size) * np.fft.rfft(microphone, size)
    length = len(room) + len(microphone) - 1
    around = design(spec.machine_type, spec.identity, sample_rate, spec.speed_rpm).enclosure
    if around is not None:
        spectrum *= np.fft.rfft(around, size)
        length += len(around) - 1
    return np.asarray(np.fft.irfft(spectrum, size)[:length])


@lru_cache(maxsize=64)
def _scene(spec: MachineSpec, sample_rate: int) -> _Scene:
    designed = design(spec.machine_type, spec.identity, sample_rate, spec.speed_rpm)
    machine = Mixer(designed.voices, _path(spec, sample_rate), sample_rate)
    rms, peak = _level(machine, spec, sample_rate, calm=False)
    loudness_db = float(generator("loudness", spec.machine_type, spec.identity).uniform(-38.0, -26.0))
    noise_ratio = 10.0 ** (-spec.snr_db / 20.0)
    # The level of the sum is drawn, not that of the machine: who sets up a microphone turns the gain by what he hears.
    level = 10.0 ** (loudness_db / 20.0) / np.sqrt(1.0 + noise_ratio**2)
    level = min(level, _LOUDEST_PEAK * rms / peak)
    # Background comes from everywhere, so its paths hold what room there is; only the microphone is added.
    around = background_voices(spec.background, spec.identity, sample_rate)
    background = Mixer(around, microphone_response(spec.microphone, sample_rate, spec.identity), sample_rate)
    background_gain = 0.0
    if around:
        background_gain = level * noise_ratio / _level(background, spec, sample_rate, calm=True)[0]
    return _Scene(
        machine,
        np.float32(level / rms),
        background,
        np.float32(background_gain),
        np.float32(10.0 ** (microphone_kind(spec.microphone, spec.identity).self_noise_dbfs / 20.0)),
    )


@lru_cache(maxsize=64)
def _fault_mixer(spec: MachineSpec, kind: str, sample_rate: int) -> tuple[Mixer, np.float32]:
    """The mixer of a fault and the gain that puts it at its stated level over the healthy machine."""
    sound = design(spec.machine_type, spec.identity, sample_rate, spec.speed_rpm).faults[kind]
    mixer = Mixer(sound.voices, _path(spec, sample_rate), sample_rate)
    scene = _scene(spec, sample_rate)
    healthy, _ = _level(scene.machine, spec, sample_rate, calm=False)
    rms, peak = _level(mixer, spec, sample_rate, calm=False)
    gain = float(scene.machine_gain) * healthy / rms * 10.0 ** (sound.level_db / 20.0)
    return mixer, np.float32(min(gain, _LOUDEST_FAULT_PEAK / peak))


def _saturate(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exactly the input up to 0.7, bent so that it never passes 1: the soft clipping of an overdriven preamplifier."""
    knee = np.float32(0.7)
    over = np.abs(sound) > knee
    if over.any():
        sound = sound.copy()
        beyond = (np.abs(sound[over]) - knee) / (np.float32(1.0) - knee)
        sound[over] = np.sign(sound[over]) * (knee + (np.float32(1.0) - knee) * np.tanh(beyond))
    return sound


class Simulator:
    """The machine of `spec` in the recording `seed`; the same arguments give the same bytes.

    Sound is made one second at a time from random numbers that depend on the seed and the number of the second alone,
    so any stretch of a recording can be rendered without the rest of it, and blocks of any size give the same sound.
    """

    def __init__(self, spec: MachineSpec, seed: int = 0, sample_rate: int = 16_000) -> None:
        if not (8_000 <= sample_rate <= 96_000 and sample_rate % 100 == 0):
            raise AudioError(
                f"the simulator was asked for {sample_rate} Hz; it should be a multiple of 100 from 8000 to 96000"
            )
        if seed < 0:
            raise AudioError(f"the seed of the simulator is {seed}; it should be 0 or more")
        self.spec = spec
        self.seed = seed
        self.sample_rate = sample_rate
        # Two machines in recordings of the same seed must not share their noise.
        recording = generator("recording", spec.machine_type, spec.identity, seed)
        self._chunk_seed = int(recording.integers(1 << 62))
        self._motion = design(spec.machine_type, spec.identity, sample_rate, spec.speed_rpm).motion(
            spec.speed_rpm, spec.load
        )
        self._scene = _scene(spec, sample_rate)

    def render(
        self, seconds: float, fault: Fault | FaultSchedule | None = None, start_s: float = 0.0
    ) -> NDArray[np.float32]:
        """`seconds` of sound from `start_s` into the recording, (round(seconds sample_rate),), in [-1, 1]."""
        if not (0.0 <= seconds <= 86_400.0 and start_s >= 0.0 and isfinite(start_s)):
            raise AudioError(
                f"the simulator was asked for {seconds} s of sound from {start_s} s; "
                "it renders up to 86400 s from any second from 0 on"
            )
        stream = self.stream(fault, start_s)
        return stream.read(round(seconds * self.sample_rate))

    def render_parts(self, seconds: float, fault: Fault | FaultSchedule | None = None, start_s: float = 0.0) -> Parts:
        """As `render`, but machine, fault and background apart."""
        stream = self.stream(fault, start_s)
        return stream.read_parts(round(seconds * self.sample_rate))

    def stream(self, schedule: Fault | FaultSchedule | None = None, start_s: float = 0.0) -> "SimulatorStream":
        """The recording from `start_s` on, to be read in blocks."""
        return SimulatorStream(self, schedule, round(start_s * self.sample_rate))

    def check_fault(self, kind: str) -> None:
        """Raise AudioError where this type of machine cannot have the fault."""
        known = faults_of(self.spec.machine_type)
        if kind not in known:
            raise AudioError(
                f"a {self.spec.machine_type} has no fault {kind!r}; it should be one of {', '.join(known)}"
            )

    def _second(
        self, index: int, schedule: FaultSchedule | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32]]:
        """What machine, fault and background excite during second `index`, each (2 sample_rate,) with its decay."""
        chunk = Chunk(index, self._chunk_seed, self.sample_rate, self._motion)
        scene = self._scene
        machine = scene.machine_gain * scene.machine.render(chunk)
        background = scene.background.render(chunk)
        background *= scene.background_gain
        hiss = white_noise(chunk.rng("self noise"), self.sample_rate)
        background[: self.sample_rate] += scene.self_noise * hiss
        return machine, self._fault_second(chunk, schedule), background

    def _fault_second(self, chunk: Chunk, schedule: FaultSchedule | None) -> NDArray[np.float32] | None:
        if schedule is None or schedule.start_s >= chunk.index + 1 or schedule.end_s <= chunk.index:
            return None
        seconds = chunk.index + np.arange(self.sample_rate) / self.sample_rate
        severity = schedule.severity_at(seconds).astype(np.float32)
        present = np.flatnonzero(severity)
        if present.size == 0:
            return None
        mixer, gain = _fault_mixer(self.spec, schedule.kind, self.sample_rate)
        sound = gain * mixer.render(chunk, severity**2)
        # The FFT spreads rounding errors over the whole second; before the fault there shall be exactly nothing.
        sound[: present[0]] = 0.0
        return sound


class SimulatorStream:
    """One reading of a recording, from its beginning or from sample `start` on. Not thread-safe."""

    def __init__(self, simulator: Simulator, schedule: Fault | FaultSchedule | None, start: int) -> None:
        self._simulator = simulator
        self._rate = simulator.sample_rate
        self._schedule = self._checked(schedule)
        self._next, self._skip = divmod(start, self._rate)
        self._position = start
        # What the second before still rings is heard in the first one.
        before = simulator._second(self._next - 1, self._schedule)
        self._tails = [self._tail(part) for part in before]
        self._ready = np.zeros((3, 0), dtype=np.float32)

    @property
    def position_s(self) -> float:
        """Seconds of the recording up to the next sample to be read."""
        return self._position / self._rate

    @property
    def schedule(self) -> FaultSchedule | None:
        return self._schedule

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next `frames` samples, float32 (frames,) in [-1, 1]."""
        machine, fault, background = self._advance(frames)
        return _saturate(machine + fault + background)

    def read_parts(self, frames: int) -> Parts:
        """The next `frames` samples, machine, fault and background apart."""
        return Parts(*self._advance(frames))

    def start_fault(self, kind: str, ramp_s: float, severity: float = 1.0) -> FaultSchedule:
        """Let a fault grow from the next second that is not rendered yet; it replaces one that is there."""
        schedule = FaultSchedule(kind, float(self._next), ramp_s, severity)
        self._schedule = self._checked(schedule)
        return schedule

    def end_fault(self) -> None:
        """Repair the machine, from the next second that is not rendered yet."""
        self._schedule = None

    def _checked(self, schedule: Fault | FaultSchedule | None) -> FaultSchedule | None:
        if isinstance(schedule, Fault):
            schedule = schedule.scheduled()
        if schedule is not None:
            self._simulator.check_fault(schedule.kind)
        return schedule

    def _tail(self, part: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return np.zeros(self._rate, dtype=np.float32) if part is None else part[self._rate :]

    def _advance(self, frames: int) -> NDArray[np.float32]:
        """Machine, fault and background, (3, frames)."""
        missing = frames - self._ready.shape[1]
        if missing > 0:
            seconds = ceil((missing + self._skip) / self._rate)
            made = np.zeros((3, self._ready.shape[1] + seconds * self._rate), dtype=np.float32)
            at = self._ready.shape[1]
            made[:, :at] = self._ready
            for _ in range(seconds):
                parts = self._simulator._second(self._next, self._schedule)
                for row, part in enumerate(parts):
                    made[row, at : at + self._rate] = self._tails[row]
                    if part is not None:
                        made[row, at : at + self._rate] += part[: self._rate]
                    self._tails[row] = self._tail(part)
                at += self._rate
                self._next += 1
            self._ready = made[:, self._skip :]
            self._skip = 0
        taken, self._ready = self._ready[:, :frames], self._ready[:, frames:]
        self._position += frames
        return taken
