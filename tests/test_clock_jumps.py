"""The computer's clock is set while sound is on its way from source to alarm: only what is told in UTC moves."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.policy import AlarmPolicy
from asdstream.audio.block import AudioBlock
from asdstream.audio.capture import Capture, Listener, Presence
from asdstream.audio.channel import Channel
from asdstream.audio.source import SourceState
from asdstream.audio.window import Window
from asdstream.bundle import BranchPrototypes
from asdstream.engine.batching import BatchPolicy
from asdstream.engine.embedding import Embedding
from asdstream.engine.loop import EngineLoop
from asdstream.engine.overload import Overload
from asdstream.judge import Case, Judge
from asdstream.mqtt.topics import Topics
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.scorer import Scorer
from asdstream.store.ledger import Ledger
from asdstream.store.store import Store

EPOCH = 1_800_000_000.0
STARTED = 5_000.0
SECONDS = 60
LOUD = range(20, 34)
"""Seconds in which the machine sounds strange."""


class Line:
    """Microphone, windows, engine, judge: a simulated monotonic clock, and a UTC clock that is set once."""

    def __init__(self, folder: Path, jump_s: float, at_s: float) -> None:
        self.now = STARTED
        self.windows: list[NDArray[np.float32]] = []
        self.scores: list[dict[str, object]] = []
        self.losses: list[tuple[float, Presence]] = []
        self._jump_s, self._at_s = jump_s, at_s
        self._ready: list[AudioBlock] = []
        self.paced, self.state, self.problem, self.rejected = True, SourceState.LIVE, None, 0
        self._capture = Capture([Listener(self, Channel("fan-1", 1.0))], lost_after_s=5.0)
        self._capture.start(self.now)
        self._loop = EngineLoop(
            self,  # type: ignore[arg-type]
            BatchPolicy((1, 2, 4), deadline_s=0.1),
            clock=lambda: self.now,
            overload=Overload({"fan-1": 1.0}),
        )
        self.store = Store(folder / f"state{jump_s}-{at_s}.db")
        numbers = itertools.count()
        known = {"audiomae": BranchPrototypes(np.array([[1.0, 0.0]], np.float32), np.zeros((0, 2), np.float32))}
        calibration = Calibration.fit(np.abs(np.random.default_rng(0).normal(0.01, 0.002, 100)))
        scorer = Scorer("fan", known, calibration, FalseAlarmRate(0.1, 1.0, 3, 5))
        policy = AlarmPolicy(k=3, n=5, clear_windows=4, min_duration_s=12.0)
        alarm = ChannelAlarms(policy, "fan-1", "fan", lambda: f"{next(numbers):026d}")
        self._judge = Judge(
            {"fan-1": Case(scorer, alarm)},
            Ledger(self.store),
            Topics("plant", "line"),
            "boot",
            lambda _topic, payload: self.scores.append(json.loads(payload)),
            lambda: None,
            clock=lambda: self.now,
        )

    def start(self, now: float) -> None: ...

    def stop(self) -> None: ...

    def poll(self, now: float) -> list[AudioBlock]:
        blocks, self._ready = self._ready, []
        return blocks

    def lanes(self, within_s: float) -> int:
        return 1

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str]) -> list[Embedding]:
        self.now += 0.02
        self.windows += [window.samples for window in windows]
        return [
            Embedding(window, {"audiomae": np.array([1.0, abs(window.samples[-8000:]).max() > 0.5], np.float32)})
            for window in windows
        ]

    def run(self) -> "Line":
        sound = 0.1 * np.random.default_rng(1).standard_normal((SECONDS * 16_000, 1)).astype(np.float32).clip(-3, 3)
        for second in LOUD:
            sound[second * 16_000 : (second + 1) * 16_000] *= 9.0
        for tick in range(1, SECONDS * 10 + 1):
            self.now = STARTED + tick / 10
            self._ready.append(AudioBlock(sound[(tick - 1) * 1600 : tick * 1600], 16_000))
            changes = self._capture.round(self.now, self.utc(tick / 10), lambda _channel: True, self._loop.offer)
            self.losses += [(self.now, change) for change in changes]
            self._judge.hear(self._loop.step(0.0))
        return self

    def utc(self, second: float) -> float:
        """What the computer's clock said in that second of the sound."""
        return EPOCH + second + (self._jump_s if second >= self._at_s else 0.0)

    @property
    def transitions(self) -> list[tuple[str, float]]:
        """With the UTC second of each."""
        events = [json.loads(row.message.payload) for row in self.store.outbox_pending(100) if row.message.payload]
        return [
            (event["transition"], round(datetime.fromisoformat(event["ts"]).timestamp(), 1))
            for event in events
            if event["schema"] == "asd.event/1"
        ]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("steady"), 0.0, 0.0).run()


def test_without_a_jump_the_alarm_is_raised_and_cleared_once(steady: Line) -> None:
    assert steady.transitions == [("raised", steady.utc(23)), ("cleared", steady.utc(38))]


@pytest.mark.parametrize("jump_s", [-86_400.0, 40.0])
@pytest.mark.parametrize("at_s", [15.0, 21.95, 36.0])
def test_windows_scores_latencies_and_alarms_are_those_of_a_clock_that_runs_steadily(
    steady: Line, tmp_path: Path, jump_s: float, at_s: float
) -> None:
    jumping = Line(tmp_path, jump_s, at_s).run()
    assert len(jumping.windows) == len(steady.windows) == SECONDS - 10
    for mine, theirs in zip(jumping.windows, steady.windows, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    same: Sequence[Callable[[dict[str, object]], object]] = (
        lambda score: score["index"],
        lambda score: score["score"],
        lambda score: score["latency"],
    )
    for what in same:
        assert [what(score) for score in jumping.scores] == [what(score) for score in steady.scores]
    assert jumping.transitions == [("raised", jumping.utc(23)), ("cleared", jumping.utc(38))]
    assert jumping.losses == [], "no sound was missed"
