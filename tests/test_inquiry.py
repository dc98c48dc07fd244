"""What is found out when an alarm begins."""

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.audio.flac import encode_flac
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import BranchPrototypes
from asdstream.clips.clips import Clips
from asdstream.clips.folder import ClipFolder
from asdstream.engine.embedding import Embedding
from asdstream.inquiry import Inquiry
from asdstream.mqtt.payloads import AlarmPayload
from asdstream.scoring.calibration import Calibration
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import Scorer
from asdstream.store.references import NewReference
from asdstream.store.store import Store

NORMAL = np.array([1.0, 0.0, 0.0], np.float32)
STRANGE = np.array([0.0, 1.0, 0.0], np.float32)
NEAR = np.array([0.2, 0.9, 0.1], np.float32)
AGAIN = "01JD5Z8QK3W4X5Y6Z7A8B9C0D2"


def hum(seed: int) -> NDArray[np.float32]:
    return (0.02 * np.random.default_rng(seed).standard_normal(WINDOW_SAMPLES)).astype(np.float32)


def hiss(seed: int) -> NDArray[np.float32]:
    """The hum, with five times the energy above 4 kHz."""
    spectrum = np.fft.rfft(hum(seed))
    spectrum[len(spectrum) // 2 :] *= 5.0
    return np.fft.irfft(spectrum).astype(np.float32)


class Place:
    """One fan with its alarm, and an inquiry into it."""

    def __init__(self, path: Path, *, enrolled: bool) -> None:
        self.store = Store(path / "state.db")
        known = {"audiomae": BranchPrototypes(NORMAL[None], np.zeros((0, 3), np.float32))}
        calibration = Calibration.fit(np.abs(np.random.default_rng(0).normal(0.01, 0.002, 100)))
        references = []
        for label, vector in ((AGAIN, NEAR), (AGAIN[:-1] + "3", NORMAL)) if enrolled else ():
            new = NewReference(label, "normal.wav", encode_flac(hum(5)), {"audiomae": vector[None]})
            self.store.references.add("fan", [new], bundle="b", actor="ann", at=0.0)
            references.append(Reference(f"reference/{label}", {"audiomae": vector[None]}))
        self.scorer = Scorer("fan", known, calibration, FalseAlarmRate(0.1, 1.0, 2, 3), references)
        numbers = count()
        self.alarms = ChannelAlarms(AlarmPolicy(k=2, n=3), "fan-1", "fan", lambda: f"{next(numbers):026d}")
        self.clips = Clips(ClipFolder(path / "clips", 10_000_000, 3_600.0), ["fan-1"], 1.0, 1.0)
        self.inquiry = Inquiry(["fan-1"], self.store.references, self.clips)
        self.index = 0

    def hear(self, samples: NDArray[np.float32], vector: NDArray[np.float32]) -> AlarmPayload | None:
        """As the judge does; the alarm where it began."""
        at = 100.0 + self.index
        heard = Window("fan-1", self.index, samples, at, at + 10.0, captured=at, start=self.index * 16_000)
        self.index += 1
        embedding = Embedding(heard, {"audiomae": vector})
        scored = self.scorer.score(embedding)
        events = self.alarms.observe(scored)
        if not events:
            self.inquiry.scored(embedding, scored)
            return None
        found = self.inquiry.begins(embedding, scored, self.scorer, events[-1].state)
        return AlarmPayload.of(self.alarms.explain(events, *found)[-1].state)


def test_an_alarm_tells_what_is_new_in_its_sound_against_the_nearest_reference(tmp_path: Path) -> None:
    place = Place(tmp_path, enrolled=True)
    assert place.hear(hiss(1), STRANGE) is None
    alarm = place.hear(hiss(2), STRANGE)
    assert alarm is not None
    assert alarm.evidence is not None
    assert (alarm.evidence.nearest.kind, alarm.evidence.compared_with) == ("reference", f"reference/{AGAIN}")
    assert alarm.evidence.bands[0].high_hz == 8_000.0
    assert alarm.evidence.bands[0].change_db == pytest.approx(14.0, abs=1.0)
    assert alarm.evidence.sentence.startswith("new energy above")
    assert alarm.clip == alarm.occurrence


def test_without_references_it_is_compared_with_what_the_channel_heard_when_all_was_well(tmp_path: Path) -> None:
    place = Place(tmp_path, enrolled=False)
    place.hear(hum(1), NORMAL)
    place.hear(hiss(1), STRANGE)
    alarm = place.hear(hiss(2), STRANGE)
    assert alarm is not None
    assert alarm.evidence is not None
    assert (alarm.evidence.nearest.label, alarm.evidence.nearest.kind) == ("source/0", "prototype")
    assert alarm.evidence.compared_with == "heard/1970-01-01T00:01:40.000Z"
    assert alarm.evidence.sentence.startswith("new energy above")


def test_where_nothing_normal_was_ever_heard_the_evidence_claims_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, enrolled=False)
    place.hear(hiss(1), STRANGE)
    alarm = place.hear(hiss(2), STRANGE)
    assert alarm is not None
    assert alarm.evidence is not None
    assert (alarm.evidence.bands, alarm.evidence.compared_with) == ((), None)


def test_an_inquiry_that_fails_costs_neither_the_alarm_nor_the_judge(tmp_path: Path) -> None:
    place = Place(tmp_path, enrolled=True)
    place.hear(hiss(1), STRANGE)
    place.store.close()
    alarm = place.hear(hiss(2), STRANGE)
    assert alarm is not None
    assert (alarm.active, alarm.clip, alarm.evidence) == (True, None, None)


def test_the_evidence_survives_a_restart_and_belongs_to_its_occurrence(tmp_path: Path) -> None:
    place = Place(tmp_path, enrolled=True)
    place.hear(hiss(1), STRANGE)
    place.hear(hiss(2), STRANGE)
    snapshot = place.alarms.snapshot()
    again = AlarmSnapshot.from_dict(json.loads(json.dumps(snapshot.to_dict())))
    assert again.states[0].evidence is not None
    assert again.states == snapshot.states
