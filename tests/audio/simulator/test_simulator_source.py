"""The simulator as a source of sound: paced, steady, and able to fail on request."""

import numpy as np
import pytest

from asdstream.audio.simulator import FaultSchedule, MachineSpec, Simulator, SimulatorSource
from asdstream.audio.source import AudioError, Source, SourceState


def test_it_keeps_to_the_clock() -> None:
    source: Source = SimulatorSource(MachineSpec("fan"), seed=1)
    assert source.state is SourceState.WAITING
    assert source.poll(0.0) == []
    source.start(100.0)
    assert source.state is SourceState.LIVE
    assert source.paced
    assert source.poll(100.05) == []
    assert sum(len(block.samples) for block in source.poll(101.0)) == 16_000
    assert source.poll(101.0) == []
    assert sum(len(block.samples) for block in source.poll(101.5)) == 8_000
    source.stop()
    source.stop()
    assert source.poll(200.0) == []


def test_after_a_long_pause_it_catches_up_in_bounded_steps_and_loses_nothing() -> None:
    source = SimulatorSource(MachineSpec("fan"), seed=1)
    source.start(0.0)
    sizes = [sum(len(block.samples) for block in source.poll(15.0)) for _ in range(3)]
    assert sizes == [160_000, 80_000, 0]


def test_what_it_delivers_is_the_recording() -> None:
    schedule = FaultSchedule("imbalance", 1.0, 1.0)
    source = SimulatorSource(MachineSpec("fan"), seed=1, schedule=schedule, realtime=False)
    assert not source.paced
    source.start(0.0)
    blocks = [block for _ in range(3) for block in source.poll(0.0)]
    assert all(block.samples.shape == (1_600, 1) and block.sample_rate == 16_000 for block in blocks)
    assert all(block.break_before is None for block in blocks)
    sound = np.concatenate([block.samples[:, 0] for block in blocks])
    assert sound.tobytes() == Simulator(MachineSpec("fan"), 1).render(3.0, schedule).tobytes()
    assert source.position_s == pytest.approx(3.0)
    assert source.problem is None
    assert source.rejected == 0


def test_a_fault_can_be_started_and_repaired_while_it_runs() -> None:
    source = SimulatorSource(MachineSpec("pump"), seed=1, realtime=False)
    source.start(0.0)
    source.poll(0.0)
    schedule = source.start_fault("leak", ramp_s=2.0, severity=0.8)
    assert source.fault == schedule
    assert schedule.start_s >= source.position_s
    assert schedule.start_s <= source.position_s + 1.0
    source.end_fault()
    assert source.fault is None
    with pytest.raises(AudioError, match="cracked_tooth"):
        source.start_fault("cracked_tooth", ramp_s=1.0)
    assert source.fault is None
