"""asdstream calibrate, as a stranger meets it, and what the daemon's scorer makes of what it keeps."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from processes import asdstream_here

from asdstream import bundle as bundles
from asdstream.audio.source import AudioError
from asdstream.bundle import Bundle
from asdstream.engine.embedder import Embedder
from asdstream.enrolment import enrol_files, references_of
from asdstream.held_out_sound import embed_kept, hold_out_files, keep_held_out
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.store.store import Store
from asdstream.wiring import scorer_of

RATE = FalseAlarmRate(per_day=100, hop_s=10, k=1, n=1)


def hum(seconds: float, seed: int) -> np.ndarray:
    """A machine that nobody has to simulate: a tone of some level in noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(16_000 * seconds)) / 16_000
    level = np.repeat(rng.uniform(0.02, 0.1, int(seconds)), 16_000)
    return (level * np.sin(2 * np.pi * 120 * times) + 0.01 * rng.normal(size=len(times))).astype(np.float32)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Two folders of normal sound: to be enrolled, and to be held out."""
    for folder, count, seconds in (("enrolled", 3, 40), ("held-out", 3, 60)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            samples = hum(seconds, seed=seconds + i)
            soundfile.write(tmp_path / folder / f"{i}.wav", samples, 16_000, subtype="PCM_16")
    return tmp_path


@pytest.fixture
def config(sound: Path, small_bundle: Path) -> Path:
    path = sound / "asdstream.toml"
    path.write_text(
        f"""bundle = "{small_bundle}"
[store]
path = "state.db"
[engine]
threads = 1
[alarms]
k = 1
n = 1
false_alarms_per_day = 100.0
[[channels]]
id = "press-1"
machine = "press-1"
machine_type = "press"
hop = 10.0
source = {{ kind = "simulator" }}
"""
    )
    return path


def _enrol(config: Path, sound: Path) -> None:
    loaded = bundles.load(Path(config.read_text().split('"')[1]))
    with closing(Store(sound / "state.db")) as store:
        engine = Embedder(loaded, device="cpu", threads=1)
        enrol_files(store, engine, loaded, "press-1", [sound / "enrolled"], "anna", 1.0)


def test_what_a_threshold_rests_on_is_printed_and_what_is_kept_is_heard_from_then_on(config: Path, sound: Path) -> None:
    figures = sound / "figures.json"
    _enrol(config, sound)
    done = asdstream_here("calibrate", "press-1", sound / "held-out", "-c", config, "--save", "--json", figures)
    assert done.returncode == 0, done.stderr
    assert "Kept 3 minutes" in done.stdout
    assert "false alarms a day" in done.stdout
    report = json.loads(figures.read_text())
    (way,) = report["ways"]
    assert way["recordings_held_out"] == 3
    assert way["interval"][0] <= way["alarms_per_day"] <= way["interval"][1]
    again = asdstream_here("calibrate", "press-1", "-c", config, "--json", figures, "--false-alarms-per-day", 0.01)
    assert again.returncode == 0, again.stderr
    rarer = json.loads(figures.read_text())
    assert rarer["ways"][0]["recordings_held_out"] == 3
    assert rarer["threshold"] > report["threshold"]
    assert "0.01 false alarms a day ask for at least" in rarer["ways"][0]["shortage"]
    assert "too little" in again.stdout


def test_recordings_that_say_nothing_are_refused_in_one_sentence(config: Path, sound: Path) -> None:
    _enrol(config, sound)
    too_few = asdstream_here("calibrate", "press-1", sound / "held-out" / "0.wav", "-c", config, "--save")
    assert "fewer than 10 independent windows" in too_few.stderr
    enrolled = asdstream_here(
        "calibrate", "press-1", sound / "held-out", sound / "enrolled" / "0.wav", "-c", config, "--save"
    )
    assert "0.wav is enrolled as a reference of 'press-1'" in enrolled.stderr
    for done in (too_few, enrolled):
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
    with closing(Store(sound / "state.db")) as store:
        assert len(store.references.entries("press-1")) == 3, "nothing was kept"


def test_no_more_is_kept_than_the_daemon_would_keep(config: Path, sound: Path) -> None:
    config.write_text(config.read_text().replace('path = "state.db"', 'path = "state.db"\nmax_bytes = 1_000_000'))
    enrolled = asdstream_here("enroll", "press-1", sound / "enrolled", "-c", config, "--force")
    _enrol(config, sound)
    held_out = asdstream_here("calibrate", "press-1", sound / "held-out", "-c", config, "--save")
    for done in (enrolled, held_out):
        assert done.returncode == 1
        assert "would make the store larger than the 1.0 MB of store.max_bytes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("press-1", "--false-alarms-per-day", "-1"), "false alarms a day are asked for"),
        (("press-1",), "its references are 0 windows in 0 recordings"),
        (("press-2",), "the configuration has no such machine"),
        (("press-1", "--json", "/no/such/folder/figures.json"), "the folder /no/such/folder does not exist"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments: tuple[str, ...], complaint: str, config: Path) -> None:
    done = asdstream_here("calibrate", *arguments, "-c", config)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def bundle(small_bundle: Path) -> Bundle:
    return bundles.load(small_bundle)


def test_sound_held_out_can_be_rolled_back_as_references_can(bundle: Bundle, sound: Path) -> None:
    embedder = Embedder(bundle, device="cpu", threads=1)
    with closing(Store(sound / "state.db")) as store:
        enrol_files(store, embedder, bundle, "press-1", [sound / "enrolled"], "anna", 1.0)
        held = hold_out_files(embedder, [sound / "held-out"], 10.0, 10.0)
        assert keep_held_out(store, bundle, "press-1", held, "ben", 2.0) == 2
        change = store.references.revisions("press-1")[-1]
        assert (change.actor, change.at, change.size) == ("ben", 2.0, 6)
        assert change.action == "added 3 references, 3 held out for the calibration"
        scorer = scorer_of(bundle, "press-1", "press", RATE, references_of(store, embedder, bundle, "press-1"))
        (bank,) = scorer.banks.values()
        assert (len(bank.references), len(bank.held_out)) == (3, 3)
        store.references.rollback("press-1", 1, actor="anna", at=3.0)
        bank = scorer.replace_references(references_of(store, embedder, bundle, "press-1"))  # type: ignore[assignment]
        assert (len(bank.references), len(bank.held_out)) == (3, 0)


def test_another_bundle_leaves_held_out_sound_out_until_it_is_embedded(bundle: Bundle, sound: Path) -> None:
    embedder = Embedder(bundle, device="cpu", threads=1)
    with closing(Store(sound / "state.db")) as store:
        held = hold_out_files(embedder, [sound / "held-out"], 10.0, 10.0)
        keep_held_out(store, bundle, "press-1", held, "ben", 2.0)
        before = references_of(store, embedder, bundle, "press-1")
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("UPDATE reference_vectors SET bundle = 'another'")
        assert references_of(store, embedder, bundle, "press-1") == []
        embed_kept(store, embedder, bundle, "press-1")
        after = references_of(store, embedder, bundle, "press-1")
    assert [one.held_out_hop_s for one in after] == [10.0] * 3
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new.vectors["audiomae"], old.vectors["audiomae"], atol=1e-5)


def test_a_long_recording_is_kept_in_parts_and_one_too_short_for_the_alarm_is_refused(
    bundle: Bundle, sound: Path
) -> None:
    embedder = Embedder(bundle, device="cpu", threads=1)
    soundfile.write(sound / "long.wav", hum(1230, seed=3), 16_000, subtype="PCM_16")
    parts = hold_out_files(embedder, [sound / "long.wav"], 10.0, 20.0)
    assert [one.seconds for one in parts] == [600.0, 600.0, 30.0]
    assert [len(one.vectors[""]["audiomae"]) for one in parts] == [60, 60, 3]
    with pytest.raises(AudioError, match=r"0\.wav lasts 60 s; normal sound for the calibration is 61 s to 6 hours"):
        hold_out_files(embedder, [sound / "held-out"], 10.0, 61.0)
