"""From an embedding to what is kept and told."""

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.command import Acknowledge, CommandRefusedError, TakeOutOfService
from asdstream.alarms.event import Act, AlarmKind
from asdstream.alarms.policy import AlarmPolicy
from asdstream.audio.capture import Presence
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import BranchPrototypes
from asdstream.engine.embedding import Embedding, WorkTimes
from asdstream.judge import Case, Judge
from asdstream.mqtt.topics import Topics
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.scorer import Scorer
from asdstream.store.database import StoreError
from asdstream.store.ledger import Ledger
from asdstream.store.store import Store

NORMAL = np.array([1.0, 0.0, 0.0], np.float32)
STRANGE = np.array([0.0, 1.0, 0.0], np.float32)


class Factory:
    """A judge with one channel, and what it has published."""

    def __init__(self, path: Path, *, known: bool = True) -> None:
        self.store = Store(path / "state.db")
        self.ledger = Ledger(self.store, clock=lambda: 12.5)
        self.published: list[tuple[str, dict[str, object]]] = []
        self.wakes = 0
        rng = np.random.default_rng(0)
        calibration = Calibration.fit(np.abs(rng.normal(0.01, 0.002, 100)))
        prototypes = {"audiomae": BranchPrototypes(NORMAL[None], np.zeros((0, 3), np.float32))} if known else None
        scorer = Scorer("fan", prototypes, calibration, FalseAlarmRate(0.1, 1.0, 2, 3))
        identities = count()
        alarm = ChannelAlarms(AlarmPolicy(k=2, n=3), "fan-1", "fan", lambda: f"{next(identities):026d}")
        self.judge = Judge(
            {"fan-1": Case(scorer, alarm)},
            self.ledger,
            Topics("plant", "line"),
            "boot",
            lambda topic, payload: self.published.append((topic, json.loads(payload))),
            self._wake,
            clock=lambda: 12.5,
            node=ChannelAlarms(AlarmPolicy(disk_after_s=0.0), "", "", lambda: f"{next(identities):026d}"),
        )

    def _wake(self) -> None:
        self.wakes += 1

    def hear(self, *vectors: np.ndarray) -> None:
        samples = np.zeros(WINDOW_SAMPLES, np.float32)
        self.judge.hear(
            [
                Embedding(
                    Window("fan-1", i, samples, 100.0 + i, 110.0 + i, captured=12.0),
                    {"audiomae": vector},
                    WorkTimes(queued=12.01, taken=12.11, computed=12.4),
                )
                for i, vector in enumerate(vectors)
            ]
        )


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path)


def test_every_window_is_scored_and_published_with_its_latency(factory: Factory) -> None:
    factory.hear(NORMAL, STRANGE)
    assert [topic for topic, _ in factory.published] == ["asd/v1/plant/line/channel/fan-1/score"] * 2
    first, second = (payload for _, payload in factory.published)
    assert first["score"] == pytest.approx(0.0, abs=1e-6)
    assert second["score"] == pytest.approx(1.0)
    assert second["anomalous"] is True
    assert first["latency_ms"] == 500.0
    assert first["latency"] == {"queue_s": 0.1, "compute_s": 0.29, "total_s": 0.5}
    assert factory.judge.windows_scored == {"fan-1": 2}
    assert factory.store.outbox_pending(10) == []


def test_an_alarm_is_in_the_store_with_its_event_and_its_retained_state(factory: Factory) -> None:
    factory.hear(STRANGE, STRANGE)
    event, state = (row.message for row in factory.store.outbox_pending(10))
    assert event.topic == "asd/v1/plant/line/event/alarm"
    assert not event.retain
    assert json.loads(event.payload)["transition"] == "raised"
    assert state.topic == "asd/v1/plant/line/alarm/fan-1.anomaly/state"
    assert state.retain
    assert [alarm.active for alarm in factory.store.alarms()] == [True]
    assert factory.wakes == 1


def test_a_lost_source_raises_and_its_return_clears_with_an_empty_retained_state(factory: Factory) -> None:
    factory.judge.notice([Presence("fan-1", lost=True, reason="no sound for 10 s")], utc=50.0)
    factory.judge.notice([Presence("fan-1", lost=False, reason="")], utc=60.0)
    transitions = [
        json.loads(row.message.payload)["transition"]
        for row in factory.store.outbox_pending(10)
        if row.message.topic.endswith("event/alarm")
    ]
    assert transitions == ["raised", "cleared"]
    assert factory.store.outbox_pending(10)[-1].message.payload == b""


def test_a_machine_with_nothing_to_compare_with_is_not_scored_and_does_not_stop_the_others(tmp_path: Path) -> None:
    factory = Factory(tmp_path, known=False)
    factory.hear(NORMAL, STRANGE)
    assert factory.published == []
    assert factory.judge.windows_scored == {}


def told(factory: Factory) -> list[tuple[str, str | None]]:
    events = [json.loads(row.message.payload) for row in factory.store.outbox_pending(100) if row.message.payload]
    return [(event["transition"], event["actor"]) for event in events if event["schema"] == "asd.event/1"]


def test_a_command_is_carried_out_by_the_thread_of_the_judge_and_answered(factory: Factory) -> None:
    factory.hear(STRANGE, STRANGE)
    answer = factory.judge.submit(Acknowledge("fan-1.anomaly", "ann"))
    again = factory.judge.submit(Acknowledge("fan-1.anomaly", "bob"))
    assert not answer.done()
    factory.judge.obey(utc=130.0)
    assert answer.result(0).acknowledged == Act("ann", 130.0)
    with pytest.raises(CommandRefusedError, match="is acknowledged already, by ann"):
        again.result(0)
    assert told(factory) == [("raised", None), ("acknowledged", "ann")]
    assert factory.store.alarms()[0].acknowledged == Act("ann", 130.0)
    state = json.loads(factory.store.outbox_pending(10)[-1].message.payload)
    assert (state["acknowledged"], state["acknowledged_by"]) == (True, "ann")
    assert state["acknowledged_at"] == "1970-01-01T00:02:10.000Z"


@pytest.mark.parametrize("alarm_id", ["fan-2.anomaly", "fan-1.thirst", "anomaly!", ""])
def test_a_command_to_an_alarm_that_does_not_exist_is_refused(factory: Factory, alarm_id: str) -> None:
    answer = factory.judge.submit(Acknowledge(alarm_id, "ann"))
    factory.judge.obey(utc=0.0)
    with pytest.raises(CommandRefusedError, match=f'there is no alarm "{alarm_id}"'):
        answer.result(0)


def test_a_command_that_nobody_waits_for_any_more_is_not_carried_out(factory: Factory) -> None:
    assert factory.judge.submit(TakeOutOfService("disk", "ann")).cancel()
    factory.judge.obey(utc=0.0)
    assert told(factory) == []


def test_troubles_of_a_channel_and_of_the_node_become_alarms(factory: Factory) -> None:
    factory.judge.check({"fan-1": {AlarmKind.SOURCE: "away"}, "": {AlarmKind.DISK: "little room"}}, utc=50.0)
    assert {state.alarm_id for state in factory.store.alarms() if state.active} == {"fan-1.source", "disk"}
    topics = [row.message.topic for row in factory.store.outbox_pending(10)]
    assert "asd/v1/plant/line/alarm/disk/state" in topics


def test_a_channel_whose_sound_is_lost_says_unknown_where_its_anomaly_stands_and_has_no_event_of_it(
    factory: Factory,
) -> None:
    factory.judge.notice([Presence("fan-1", lost=True, reason="no sound for 10 s")], utc=50.0)
    message = factory.store.outbox_pending(10)[-1].message
    assert message.topic == "asd/v1/plant/line/alarm/fan-1.anomaly/state"
    state = json.loads(message.payload)
    assert (state["condition"], state["active"], state["raised_at"]) == ("unknown", False, None)
    assert told(factory) == [("raised", None)]
    factory.judge.notice([Presence("fan-1", lost=False, reason="")], utc=60.0)
    factory.hear(NORMAL)
    message = factory.store.outbox_pending(10)[-1].message
    assert (message.topic, message.payload) == ("asd/v1/plant/line/alarm/fan-1.anomaly/state", b"")


def test_what_happens_between_transitions_is_kept_when_asked_to(factory: Factory) -> None:
    factory.hear(STRANGE)
    assert factory.store.snapshots() == {}
    factory.judge.keep()
    kept = factory.store.snapshots()
    assert len(kept["fan-1"].windows.history) == 1
    assert "" in kept
    assert factory.store.outbox_size() == 0


def test_what_the_disk_does_not_take_waits_in_the_ledger_and_is_stored_with_the_next_check(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(factory.store, "commit", full)
        patch.setattr(factory.store, "catch_up", full)
        factory.hear(STRANGE, STRANGE)
        factory.judge.keep()
        factory.judge.check({"": {AlarmKind.DISK: factory.ledger.problem}}, utc=50.0)
    assert [line["event"] for line in logs].count("disk_takes_nothing") == 1
    assert factory.store.outbox_size() == 0
    assert factory.wakes == 2, "what is in memory is to be sent"
    factory.judge.check({}, utc=51.0)
    assert told(factory) == [("raised", None), ("raised", None)]
    assert {state.alarm_id for state in factory.store.alarms() if state.active} == {"fan-1.anomaly", "disk"}
