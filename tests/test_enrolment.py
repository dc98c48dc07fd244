"""References, from recordings into the store and back, also under another bundle."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_bundle import fan_sound
from system_bundles import contents_of, separator

from asdstream import bundle as bundles
from asdstream.audio.source import AudioError
from asdstream.bundle import ANY_TYPE, Bundle
from asdstream.engine.embedder import Embedder
from asdstream.engine.separate_as import BothWays
from asdstream.enrolment import MAX_RECORDING_S, enrol_files, references_of
from asdstream.held_out_sound import hold_out_files
from asdstream.store.store import Store


@pytest.fixture
def bundle(small_bundle: Path) -> Bundle:
    return bundles.load(small_bundle)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "normal.wav"
    soundfile.write(path, fan_sound(25, seed=11), 16_000, subtype="PCM_16")
    return path


def test_a_recording_becomes_one_reference_of_windows_that_share_no_sound(
    bundle: Bundle, recording: Path, tmp_path: Path
) -> None:
    embedder = Embedder(bundle, device="cpu", threads=1)
    with closing(Store(tmp_path / "state.db")) as store:
        (enrolled,) = enrol_files(store, embedder, bundle, "fan-1", [recording], actor="someone", at=5.0)
        assert (enrolled.windows, enrolled.seconds) == (2, 25.0)
        (reference,) = references_of(store, embedder, bundle, "fan-1")
        assert reference.label == f"reference/{enrolled.label}"
        assert reference.vectors["audiomae"].shape == (2, 32)
        (entry,) = store.references.entries("fan-1")
        assert (entry.actor, entry.at, entry.name) == ("someone", 5.0, "normal.wav")


def test_another_bundle_embeds_the_kept_audio_anew_once(
    bundle: Bundle, recording: Path, tmp_path: Path, small_bundle: Path
) -> None:
    other_path = tmp_path / "other"
    shutil.copytree(small_bundle, other_path)
    manifest = other_path / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"untrained"', '"untrained, renamed"'))
    other = bundles.load(other_path)
    assert other.sha256 != bundle.sha256
    embedder = Embedder(bundle, device="cpu", threads=1)
    with closing(Store(tmp_path / "state.db")) as store:
        enrol_files(store, embedder, bundle, "fan-1", [recording], actor="someone", at=5.0)
        (first,) = references_of(store, embedder, bundle, "fan-1")
        (anew,) = references_of(store, embedder, other, "fan-1")
        # 16 bits went in and 24 are kept, so the same encoder says the same.
        np.testing.assert_allclose(anew.vectors["audiomae"], first.vectors["audiomae"], atol=1e-6)
        assert set(store.references.vectors("fan-1", other.sha256)) == {first.label.removeprefix("reference/")}


def test_references_go_the_way_of_the_windows_and_separated_ones_are_kept_apart(
    recording: Path, tmp_path: Path
) -> None:
    contents = contents_of("system1", separators={ANY_TYPE: separator(), "fan": separator(1)})
    bundle = bundles.save(tmp_path / "bundle", contents)
    embedder = Embedder(bundle, device="cpu", threads=1)
    samples, _ = soundfile.read(recording, frames=160_000, dtype="float32")
    with closing(Store(tmp_path / "state.db")) as store:
        enrol_files(store, embedder, bundle, "fan-1", [recording], actor="someone", at=5.0, separate_as="fan")
        for separate_as in ("fan", "lathe", None, "fan"):
            (reference,) = references_of(store, embedder, bundle, "fan-1", separate_as)
            expected = embedder.embed_samples(samples[None], separate_as)["audiomae"]
            np.testing.assert_allclose(reference.vectors["audiomae"][:1], expected, atol=1e-5)
        assert len(store.references.entries("fan-1")) == 1


def test_references_are_embedded_both_ways_where_windows_are(recording: Path, tmp_path: Path) -> None:
    bundle = bundles.save(tmp_path / "bundle", contents_of("system1", separators={ANY_TYPE: separator()}))
    embedder = Embedder(bundle, device="cpu", threads=1)
    samples, _ = soundfile.read(recording, frames=160_000, dtype="float32")
    with closing(Store(tmp_path / "state.db")) as store:
        enrol_files(store, embedder, bundle, "fan-1", [recording], "someone", 5.0, separate_as=BothWays("fan"))
        for maker in (bundle.sha256, f"{bundle.sha256}+*"):
            assert len(store.references.vectors("fan-1", maker)) == 1
        (reference,) = references_of(store, embedder, bundle, "fan-1", BothWays("fan"))
        expected = embedder.embed_samples(samples[None], BothWays("fan"))
        assert set(reference.vectors) == set(expected) == {"audiomae", "audiomae+separated"}
        for branch, vectors in expected.items():
            np.testing.assert_allclose(reference.vectors[branch][:1], vectors, atol=1e-5)
        (alone,) = references_of(store, embedder, bundle, "fan-1", "fan")
        np.testing.assert_array_equal(alone.vectors["audiomae"], reference.vectors["audiomae+separated"])


def test_a_recording_that_is_too_long_is_refused_before_it_is_read(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(round(MAX_RECORDING_S * 8_000) + 8_000, np.int16), 8_000)
    embedder = Embedder(bundle, device="cpu", threads=1)
    monkeypatch.setattr("soundfile.SoundFile.read", lambda *_, **__: pytest.fail("hours do not fit into the memory"))
    monkeypatch.setattr("asdstream.held_out_sound.MAX_HELD_OUT_S", 500.0)
    with closing(Store(tmp_path / "state.db")) as store, pytest.raises(AudioError, match="at most 600 s"):
        enrol_files(store, embedder, bundle, "fan-1", [tmp_path], actor="someone", at=5.0)
    with pytest.raises(AudioError, match="lasts 601 s"):
        hold_out_files(embedder, [tmp_path / "long.wav"], 1.0, 10.0)


def test_a_recording_that_is_too_long_is_refused_before_anything_is_kept(
    bundle: Bundle, recording: Path, tmp_path: Path
) -> None:
    long = tmp_path / "z_long.wav"
    soundfile.write(long, np.tile(np.float32([0.1, -0.1]), round(MAX_RECORDING_S * 8_000) + 8_000), 16_000)
    embedder = Embedder(bundle, device="cpu", threads=1)
    with closing(Store(tmp_path / "state.db")) as store:
        with pytest.raises(AudioError, match="601 s; a reference is at most 600 s"):
            enrol_files(store, embedder, bundle, "fan-1", [recording, long], actor="someone", at=5.0)
        assert store.references.entries("fan-1") == []
