"""A machine is listened to, across restarts and breaks, and then has references and a threshold of its own."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from structlog.testing import capture_logs

from asdstream import bundle as bundles
from asdstream import config as configuration
from asdstream.audio.window import WINDOW_SAMPLES, Window
from asdstream.bundle import Bundle
from asdstream.commissioning import Commissioning
from asdstream.config import Config, ConfigError
from asdstream.engine.embedding import Embedding
from asdstream.enrolment import references_of
from asdstream.mqtt.payloads import CommissioningPayload
from asdstream.scoring.commissioning_report import CommissioningReport
from asdstream.store.commissionings import KeptPiece
from asdstream.store.database import StoreError
from asdstream.store.references import NewReference
from asdstream.store.store import Store
from asdstream.wiring import bearable_rate, scorer_of

RATE = 16_000
LISTEN_S = 600
CHANNEL = """
[[channels]]
id = "{id}"
machine = "press-1"
machine_type = "press"
hop = {hop}
commissioning = {{ listen_s = {listen_s}, references = 10 }}
source = {{ kind = "simulator", machine_type = "fan" }}
"""


def configured(
    path: Path, bundle: Path, hop: float = 2.0, channels: tuple[str, ...] = ("a",), listen_s: float = LISTEN_S
) -> Config:
    text = f'bundle = "{bundle}"\n[store]\npath = "state.db"\n[alarms]\nk = 3\nn = 5\n'
    text += "".join(CHANNEL.format(id=one, hop=hop, listen_s=listen_s) for one in channels)
    return configuration.parse(text, path / "asdstream.toml")


def sound_of(seconds: float) -> NDArray[np.float32]:
    """Noise that is another one in every second."""
    return (0.1 * np.random.default_rng(3).normal(size=int(seconds * RATE))).astype(np.float32)


SOUND = sound_of(LISTEN_S + 400)


class Place:
    """A daemon's commissioning on a simulated clock; each of the `strange` windows sounds like nothing else."""

    def __init__(self, folder: Path, bundle: Bundle, config: Config) -> None:
        self.store = Store(folder / "state.db")
        self.bundle = bundle
        self.config = config
        self.commissioning = Commissioning(
            self.store, bundle, config.channels, config.alarms, {}, lambda: 9000.0, lambda work: work()
        )
        self.strange: set[int] = set()

    def hear(self, first: int, end: int, run: int = 0, channel: str = "a") -> None:
        """Windows of SOUND by number; the embedding of one depends on its number alone."""
        hop = round(self.config.channels[0].hop * RATE)
        for number in range(first, end):
            rng = np.random.default_rng(number)
            vector = 0.1 * rng.normal(size=32)
            vector[9 + number % 20 if number in self.strange else 0] += 1.0
            start = number * hop
            window = Window(
                channel,
                number,
                SOUND[start : start + WINDOW_SAMPLES],
                1000 + start / RATE,
                1010 + start / RATE,
                0.0,
                run=run,
                start=start,
            )
            unit = (vector / np.linalg.norm(vector)).astype(np.float32)
            self.commissioning.hear([Embedding(window, {"audiomae": unit})])
            self.commissioning.step(0.0)
            if number % 7 == 0:
                self.commissioning.references_changed()

    @property
    def report(self) -> CommissioningReport:
        progress = self.commissioning.progress("press-1")
        assert progress is not None
        assert progress.report is not None
        return progress.report


MakePlace = Callable[..., Place]


def kept(there: Place) -> list[KeptPiece]:
    return there.store.commissionings.pieces("press-1")


@pytest.fixture
def place(tmp_path: Path, small_bundle: Path) -> Iterator[MakePlace]:
    """Makes places that share one store, as a daemon that is started again does."""
    loaded = bundles.load(small_bundle)
    made: list[Place] = []

    def make(hop: float = 2.0, channels: tuple[str, ...] = ("a",), listen_s: float = LISTEN_S) -> Place:
        made.append(Place(tmp_path, loaded, configured(tmp_path, small_bundle, hop, channels, listen_s)))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_after_the_stated_time_the_machine_has_references_a_threshold_and_a_report(place: MakePlace) -> None:
    there = place()
    there.strange = set(range(130, 135))
    assert there.commissioning.learns("a")
    there.hear(0, 240)
    progress = there.commissioning.progress("press-1")
    assert progress is not None
    assert (progress.learning, progress.report) == (True, None)
    assert 0.75 <= progress.done <= 0.85
    with capture_logs() as log:
        there.hear(240, 340)
    (line,) = [one for one in log if one["event"] == "commissioned"]
    assert not there.commissioning.learns("a")

    entries = there.store.references.entries("press-1")
    enrolled = [one for one in entries if one.held_out_hop_s is None]
    held_out = [one for one in entries if one.held_out_hop_s is not None]
    (change,) = there.store.references.revisions("press-1")
    assert (change.actor, change.at, change.size) == ("commissioning", 9000.0, len(entries))
    assert {one.seconds for one in enrolled} == {10.0}
    assert len(enrolled) == there.report.references <= 10
    report = there.report
    assert (report.windows, report.heard_s, report.unusable, report.prolonged_s) == (296, 600.0, 0, 0.0)
    assert report.held_out_s == pytest.approx(sum(one.seconds or 0 for one in held_out))
    assert report.held_out_s > LISTEN_S / 3
    (excluded,) = report.excluded
    assert (excluded.started_at, excluded.ended_at, excluded.windows) == (1260.0, 1278.0, 5)
    assert line["enough"] is report.enough is False
    assert "0.1 false alarms a day ask for at least" in (report.shortage or "")
    assert "296 windows were heard and 5 did not fit" in line["summary"]

    references = references_of(there.store, _Nobody(), there.bundle, "press-1")
    rate = bearable_rate(there.config.alarms, 2.0)
    scorer = scorer_of(there.bundle, "press-1", "press", rate, references)
    assert scorer.threshold == pytest.approx(report.threshold)
    assert report.decided_by == scorer.banks[""].decided_by
    told = CommissioningPayload.of(there.commissioning.progress("press-1"))
    assert told is not None
    assert (told.state, told.done) == ("done", 1.0)
    assert told.model_dump(mode="json")["report"]["excluded"][0]["from"] == "1970-01-01T00:21:00.000Z"


class _Nobody:
    """An engine that must not be asked: everything has been embedded as it was heard."""

    def embed_samples(self, *_: object) -> dict[str, NDArray[np.float32]]:
        raise AssertionError("the embeddings were kept")


def test_the_sound_that_is_kept_is_that_of_the_windows(place: MakePlace) -> None:
    there = place()
    there.hear(0, 340)
    hop = 2 * RATE
    vectors = there.store.references.vectors("press-1", there.bundle.sha256)
    for entry in there.store.references.entries("press-1"):
        samples, _ = soundfile.read(io.BytesIO(there.store.references.audio(entry.label)), dtype="float32")
        begins = [i for i in range(300) if np.abs(SOUND[i * hop : i * hop + 99] - samples[:99]).max() < 1e-6]
        (first,) = begins
        np.testing.assert_allclose(samples, SOUND[first * hop : first * hop + len(samples)], atol=1e-6)
        rows = vectors[entry.label]["audiomae"]
        assert len(samples) == (len(rows) - 1) * hop + WINDOW_SAMPLES
        rng = np.random.default_rng(first)
        expected = 0.1 * rng.normal(size=32)
        expected[0] += 1.0
        np.testing.assert_allclose(rows[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_a_restart_goes_on_and_a_power_cut_costs_a_minute_at_most(place: MakePlace) -> None:
    first = place()
    first.hear(0, 100)
    first.commissioning.close()
    first.store.close()
    second = place()
    progress = second.commissioning.progress("press-1")
    assert progress is not None
    assert progress.heard_s == 208.0
    second.hear(100, 215)
    second.store.close()  # as a power cut does
    third = place()
    progress = third.commissioning.progress("press-1")
    assert progress is not None
    assert 370.0 <= progress.heard_s <= 430.0
    third.hear(215, 340)
    assert not third.commissioning.learns("a")
    assert third.report.windows >= 285


def test_a_break_in_the_sound_costs_nothing_and_is_in_no_recording(place: MakePlace) -> None:
    there = place()
    there.hear(0, 90)
    there.hear(95, 220, run=1)
    there.hear(230, 345, run=2)
    assert not there.commissioning.learns("a")
    assert there.report.heard_s == 600.0
    assert there.report.windows == 288, "three stretches, of which each begins with ten seconds"
    seconds = {entry.label: entry.seconds for entry in there.store.references.entries("press-1")}
    for label, rows in there.store.references.vectors("press-1", there.bundle.sha256).items():
        assert seconds[label] == 2.0 * (len(rows["audiomae"]) - 1) + 10


def test_a_machine_with_references_does_not_learn_and_one_rolled_back_to_none_does(place: MakePlace) -> None:
    there = place()
    there.hear(0, 60)
    vectors = {"audiomae": np.eye(1, 32, dtype=np.float32)}
    new = NewReference("A", "a.wav", b"flac", vectors)
    there.store.references.add("press-1", [new], bundle=there.bundle.sha256, actor="ann", at=1.0)
    there.commissioning.references_changed()
    assert not there.commissioning.learns("a")
    there.hear(60, 340)
    assert [change.actor for change in there.store.references.revisions("press-1")] == ["ann"]
    there.store.references.rollback("press-1", 0, actor="ann", at=2.0)
    there.commissioning.references_changed()
    assert there.commissioning.learns("a")
    progress = there.commissioning.progress("press-1")
    assert progress is not None
    assert progress.heard_s == 0.0
    there.hear(0, 340)
    assert there.store.references.revisions("press-1")[-1].actor == "commissioning"
    there.store.references.rollback("press-1", 1, actor="ann", at=3.0)
    assert [entry.label for entry in there.store.references.entries("press-1")] == ["A"]


def test_sound_that_would_be_heard_otherwise_now_is_listened_to_again(place: MakePlace) -> None:
    first = place()
    first.hear(0, 100)
    first.commissioning.close()
    first.store.close()
    other = place(hop=4.0)
    progress = other.commissioning.progress("press-1")
    assert progress is not None
    assert progress.heard_s == 0.0
    with capture_logs() as log:
        other.commissioning.step(0.0)
        other.commissioning.step(0.0)
    assert [line["machine"] for line in log if line["event"] == "commissioning_begins_anew"] == ["press-1"]
    assert kept(other) == []


def test_a_configuration_that_is_only_looked_at_costs_nothing_of_what_was_heard(place: MakePlace) -> None:
    there = place()
    there.hear(0, 290)
    place(hop=4.0).commissioning.progress("press-1")
    there.hear(290, 340)
    assert not there.commissioning.learns("a")
    assert there.report.heard_s == 600.0


def test_sound_from_which_nobody_learns_any_more_is_let_go_of(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place()
    first.hear(0, 100)
    vectors = {"audiomae": np.eye(1, 32, dtype=np.float32)}
    new = NewReference("A", "a.wav", b"flac", vectors)
    first.store.references.add("press-1", [new], bundle=first.bundle.sha256, actor="ann", at=1.0)
    with monkeypatch.context() as patch, capture_logs() as log:

        def full(*_: object) -> None:
            raise StoreError("the disk is full")

        patch.setattr(type(first.store.commissionings), "forget", full)
        first.commissioning.references_changed()
        for _ in range(3):
            first.commissioning.step(0.0)
    assert [line["problem"] for line in log if line["log_level"] == "warning"] == ["the disk is full"]
    assert kept(first), "as after a power cut"
    first.store.close()
    second = place()
    second.commissioning.step(0.0)
    assert kept(second) == []


def test_sound_of_a_machine_that_is_not_configured_any_more_is_let_go_of(
    place: MakePlace,
) -> None:
    there = place()
    there.hear(0, 100)
    none = Commissioning(there.store, there.bundle, (), there.config.alarms, {})
    none.step(0.0)
    assert kept(there) == []


def test_a_machine_with_two_channels_has_learnt_when_both_were_heard(place: MakePlace) -> None:
    there = place(channels=("a", "b"))
    there.hear(0, 340)
    assert there.commissioning.learns("a")
    assert there.commissioning.learns("b")
    there.hear(0, 340, channel="b")
    assert not there.commissioning.learns("b")
    assert {entry.name for entry in there.store.references.entries("press-1")} == {
        "live sound of a",
        "live sound of b",
    }


@pytest.mark.parametrize("hop", [2.0, 10.0])
def test_the_least_sound_that_may_be_asked_for_gives_a_threshold_and_says_that_it_is_little(
    hop: float, place: MakePlace
) -> None:
    there = place(hop, listen_s=300)
    there.hear(0, round(300 / hop) + 1)
    there.commissioning.references_changed()
    assert not there.commissioning.learns("a")
    assert there.report.threshold is not None
    assert there.report.threshold < 2.0
    assert there.report.uncalibrated is None
    assert there.report.prolonged_s == 0.0
    assert "were heard, so the threshold is a guess beyond the data" in (there.report.shortage or "")


def test_a_machine_whose_sound_gives_no_threshold_is_listened_to_until_it_does(place: MakePlace) -> None:
    there = place(10.0, listen_s=300)
    # Too few of the windows that fit remain for ten references, and too few of those held out follow one another.
    there.strange = {4, 11, 14, 17, 25}
    with capture_logs() as log:
        there.hear(0, 31)
    (line,) = [one for one in log if one["event"] == "commissioning_goes_on"]
    assert line["longer_s"] == 75
    assert "300 s give no threshold yet" in line["problem"]
    assert there.commissioning.learns("a")
    assert not there.commissioning.busy
    assert there.store.references.entries("press-1") == []
    progress = there.commissioning.progress("press-1")
    assert progress is not None
    assert progress.listen_s == 375.0
    told = CommissioningPayload.of(progress)
    assert told is not None
    assert (told.state, told.listen_s) == ("learning", 375.0)
    assert told.problem == "what has been heard gives no threshold, so it is listened to for longer than asked"
    there.hear(31, 60)
    assert not there.commissioning.learns("a")
    assert there.report.threshold is not None
    assert there.report.threshold < 2.0
    assert there.report.prolonged_s >= 75.0
    assert f"{there.report.prolonged_s:.0f} s longer than asked as less gave no threshold" in there.report.sentence
    progress = there.commissioning.progress("press-1")
    assert progress is not None
    assert progress.problem is None


def test_sound_that_gives_no_threshold_in_six_hours_either_is_concluded_and_said(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.commissioning.MAX_LISTEN_S", 340.0)
    there = place(10.0, listen_s=300)
    # Nothing is like anything else, and nothing keeps 0.1 false alarms a day.
    monkeypatch.setattr("asdstream.scoring.scorer.UNREACHABLE", 1e-6)
    with capture_logs() as log:
        there.hear(0, 40)
    assert [line["longer_s"] for line in log if line["event"] == "commissioning_goes_on"] == [40]
    (line,) = [one for one in log if one["event"] == "commissioned"]
    assert (line["log_level"], line["enough"]) == ("warning", False)
    assert "its normal sound varies so much" in line["uncalibrated"]
    assert "there is no threshold" in there.report.sentence


def test_a_source_that_ends_when_enough_was_heard_has_taught_the_machine(place: MakePlace) -> None:
    there = place(8.0, listen_s=300)
    # (37 - 1) * 8 s + 10 s = 298 s
    there.hear(0, 37)
    assert there.commissioning.learns("a")
    states = [there.commissioning.busy]
    there.hear(37, 38)
    states.append(there.commissioning.busy)
    there.commissioning.references_changed()
    states.append(there.commissioning.busy)
    assert states == [False, True, False], "until its references have been taken up"
    assert not there.commissioning.learns("a")
    assert there.report.heard_s == 306.0


def test_what_was_enough_when_the_power_failed_is_made_a_lesson_of_at_the_next_start(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place(10.0, listen_s=300)
    with monkeypatch.context() as patch:
        patch.setattr(first.commissioning, "_in_background", lambda _: None)
        first.hear(0, 31)
    first.store.close()
    second = place(10.0, listen_s=300)
    assert second.commissioning.learns("a")
    assert second.commissioning.busy
    second.commissioning.step(0.0)
    second.commissioning.references_changed()
    assert not second.commissioning.learns("a")
    assert second.report.windows == 30


def test_a_fault_in_the_background_is_raised_by_the_next_step(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place(10.0, listen_s=300)

    def faulty(*_: object) -> None:
        raise ZeroDivisionError("of the lesson")

    monkeypatch.setattr("asdstream.commissioning.learn", faulty)
    there.hear(0, 30)
    with pytest.raises(ZeroDivisionError, match="of the lesson"):
        there.commissioning.step(0.0)


def test_a_piece_that_is_lost_takes_nothing_after_it_along(place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    there = place(10.0, listen_s=300)
    there.hear(0, 12)
    with monkeypatch.context() as patch, capture_logs() as log:

        def full(*arguments: object) -> None:
            raise StoreError("the disk is full")

        patch.setattr(type(there.store.commissionings), "keep", full)
        there.hear(12, 18)
    assert [line["problem"] for line in log if line["event"] == "commissioning_piece_lost"] == ["the disk is full"]
    there.hear(18, 40)
    assert not there.commissioning.learns("a")
    assert there.report.windows == 30


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("listen_s = 600", "listen_s = 20", "commissioning.listen_s"),
        ('id = "b"', 'id = "b"\nseparate = "off"', 'should be "auto" as in channel "a"'),
        ("references = 10", "references = 12", 'has another commissioning in channel "a"'),
    ],
)
def test_a_commissioning_that_makes_no_sense_is_refused(
    old: str, new: str, complaint: str, tmp_path: Path, small_bundle: Path
) -> None:
    text = f'bundle = "{small_bundle}"\n' + CHANNEL.format(id="a", hop=1.0, listen_s=600)
    second = CHANNEL.format(id="b", hop=1.0, listen_s=600).replace(old, new)
    with pytest.raises(ConfigError, match=complaint):
        configuration.parse(text + second, tmp_path / "asdstream.toml")


def test_a_store_that_fails_while_it_learns_is_said_and_tried_again(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place()
    there.hear(0, 290)
    with monkeypatch.context() as patch, capture_logs() as log:

        def full(*arguments: object) -> None:
            raise StoreError("the disk is full")

        patch.setattr(type(there.store.references), "put_unseen", full)
        there.hear(290, 305)
    assert [line["problem"] for line in log if line["event"] == "commissioning_failed"] == ["the disk is full"]
    assert there.commissioning.learns("a")
    there.hear(305, 345)
    assert not there.commissioning.learns("a")
    with closing(Store(there.store.path)) as store:
        rows = store.references.entries("press-1")
    assert len(rows) == there.store.references.revisions("press-1")[-1].size
