"""The command line, as a stranger meets it."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from processes import asdstream, asdstream_here
from small_bundle import fan_sound, strange_sound
from system_bundles import contents_of, separator

from asdstream import bundle as bundles
from asdstream.bundle import ANY_TYPE, Bundle

Runs = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = [
    "demo",
    "run",
    "check",
    "score",
    "feed",
    "devices",
    "enroll",
    "references",
    "alarms",
    "calibrate",
    "bench",
    "bundle",
]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with one normal and one strange recording of 12 s."""
    folder = tmp_path / "clips"
    folder.mkdir()
    soundfile.write(folder / "a_normal.wav", fan_sound(12, seed=201), 16_000)
    soundfile.write(folder / "b_strange.flac", strange_sound(12, seed=202), 16_000)
    return folder


@pytest.fixture
def config(tmp_path: Path, small_bundle: Path, clips: Path) -> Path:
    path = tmp_path / "asdstream.toml"
    path.write_text(
        f"""bundle = "{small_bundle}"
[mqtt]
port = 1
[store]
path = "state.db"
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = {{ kind = "file", path = "{clips}" }}
"""
    )
    return path


@pytest.fixture(scope="module")
def separating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An untrained System-3 with a separator, which knows `fan` from separated sound."""
    contents = contents_of("system3", separators={ANY_TYPE: separator()}, separated=True)
    return bundles.save(tmp_path_factory.mktemp("bundles") / "separating", contents)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = asdstream_here(command, "--help")
    assert shown.returncode == 0
    assert len(shown.stdout.split()) > 15, "more than a bare list of options"


def test_score_prints_a_row_for_each_recording_and_tells_normal_from_strange(clips: Path, small_bundle: Path) -> None:
    arguments = ("score", clips, "--bundle", small_bundle, "--machine-type", "fan")
    rows = json.loads(asdstream(*arguments, "--json").stdout)
    assert [Path(row["file"]).name for row in rows] == ["a_normal.wav", "b_strange.flac"]
    assert [row["anomalous"] for row in rows] == [False, True]
    assert [len(row["windows"]) for row in rows] == [3, 3], "12 s at a hop of 1 s"
    table = list(csv.DictReader(io.StringIO(asdstream_here(*arguments, "--format", "csv").stdout)))
    assert float(table[1]["score"]) == pytest.approx(rows[1]["score"])
    assert "ANOMALOUS" in asdstream_here(*arguments).stdout


def test_score_names_a_recording_that_it_cannot_read_and_scores_the_others(clips: Path, small_bundle: Path) -> None:
    (clips / "c_broken.wav").write_bytes((clips / "a_normal.wav").read_bytes()[:5000])
    done = asdstream_here("score", clips, "--bundle", small_bundle, "--machine-type", "fan", "--json")
    assert done.returncode == 1
    assert "c_broken.wav" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(json.loads(done.stdout)) == 2


def test_references_enrolled_from_files_change_what_the_machine_is_compared_with(config: Path, clips: Path) -> None:
    before = json.loads(asdstream_here("score", clips, "-c", config, "--machine", "fan-1", "--json").stdout)
    done = asdstream_here("enroll", "fan-1", clips / "b_strange.flac", "-c", config, "--json", "--force")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["references"] == 1
    after = json.loads(asdstream_here("score", clips, "-c", config, "--machine", "fan-1", "--json").stdout)
    assert after[1]["score"] < before[1]["score"] / 10
    assert after[0]["score"] == pytest.approx(before[0]["score"]), "nothing else is forgotten"


@pytest.mark.parametrize(
    ("name", "samples", "complaint"),
    [
        ("silent.wav", np.zeros(160_000, np.float32), "is silent"),
        ("nan.wav", np.full(160_000, np.nan, np.float32), "not a number"),
        ("nothing.wav", np.zeros(0, np.float32), "no sound in it"),
    ],
)
def test_a_reference_that_is_no_sound_is_refused_and_none_of_the_others_is_added(
    name: str, samples: np.ndarray, complaint: str, config: Path, clips: Path
) -> None:
    soundfile.write(clips / name, samples, 16_000, subtype="FLOAT")
    done = asdstream_here("enroll", "fan-1", clips, "-c", config)
    assert done.returncode == 1
    assert name in done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    again = asdstream_here("enroll", "fan-1", clips / "a_normal.wav", "-c", config, "--json")
    assert json.loads(again.stdout)["references"] == 1


def test_check_says_what_is_well_and_what_is_not(config: Path) -> None:
    done = asdstream_here("check", "-c", config, "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert findings["bundle"]["ok"]
    assert "2 recordings" in findings["channel fan-1"]["says"]
    assert not findings["broker"]["ok"], "nobody listens on port 1"
    assert "127.0.0.1:1" in findings["broker"]["says"]
    assert done.returncode == 1


@pytest.mark.parametrize(("command", "runs"), [("check", asdstream_here), ("run", asdstream)], ids=["check", "run"])
def test_a_bad_configuration_ends_with_78_and_the_line_of_each_mistake(command: str, runs: Runs, config: Path) -> None:
    config.write_text(config.read_text().replace("port = 1", 'prot = 1\nkeepalive_s = "soon"'))
    done = runs(command, "-c", config)
    assert done.returncode == 78
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2
    assert f"{config}:3: mqtt.prot: unknown key; did you mean port?" in lines[0]
    assert f"{config}:4: mqtt.keepalive_s: should be a whole number" in lines[1]


def test_a_configuration_that_is_not_there_ends_with_78(tmp_path: Path) -> None:
    done = asdstream_here("run", "-c", tmp_path / "none.toml")
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("command", "runs"), [("check", asdstream_here), ("run", asdstream)], ids=["check", "run"])
def test_a_bundle_with_a_flipped_byte_is_refused_by_name(
    command: str, runs: Runs, config: Path, small_bundle: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(small_bundle, damaged)
    weights = damaged / "weights" / "audiomae.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    config.write_text(config.read_text().replace(str(small_bundle), str(damaged)))
    done = runs(command, "-c", config)
    assert done.returncode == 1
    assert "audiomae.safetensors" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_bundle_info_and_verify_show_what_is_inside(small_bundle: Path) -> None:
    facts = json.loads(asdstream_here("bundle", "info", small_bundle, "--json").stdout)
    assert facts["machine_types"]["fan"]["calibrated"]
    verified = asdstream_here("bundle", "verify", small_bundle)
    assert verified.returncode == 0
    assert facts["sha256"] in verified.stdout


def test_bundle_info_names_branches_and_separators(separating: Bundle) -> None:
    facts = json.loads(asdstream_here("bundle", "info", separating.path, "--json").stdout)
    assert facts["branches"]["fused"] == {
        "encoders": ["beats", "audiomae"],
        "made_by": "attentive fusion",
        "embedding_size": 24,
    }
    assert facts["separators"] == {"*": "tfgridnet"}
    assert facts["machine_types"]["fan"]["separated"]


def one_window_of_fan(folder: Path) -> Path:
    clip = folder / "ten_seconds.wav"
    soundfile.write(clip, fan_sound(10, seed=203), 16_000, subtype="PCM_16")
    return clip


@pytest.mark.parametrize("separate", ["auto", "off", "both"])
def test_what_was_enrolled_is_at_no_distance_whether_it_is_separated_or_not(
    separate: str, config: Path, clips: Path, separating: Bundle, small_bundle: Path
) -> None:
    text = config.read_text().replace(str(small_bundle), str(separating.path))
    config.write_text(f'{text}separate = "{separate}"\n')
    clip = one_window_of_fan(clips)
    assert asdstream_here("enroll", "fan-1", clip, "-c", config).returncode == 0
    done = asdstream_here("score", clip, "-c", config, "--machine", "fan-1", "--json")
    assert json.loads(done.stdout)[0]["score"] == pytest.approx(0, abs=1e-5)
    assert ("scored against enrolled references alone" in done.stderr) == (separate != "auto")


def test_check_says_what_a_channel_that_is_heard_both_ways_still_needs(
    config: Path, clips: Path, separating: Bundle, small_bundle: Path
) -> None:
    text = config.read_text().replace(str(small_bundle), str(separating.path))
    config.write_text(f'{text}separate = "both"\n')
    alone = "heard as it is it is scored against enrolled references alone"
    missing = "and none is enrolled for fan-1, so until then the other way counts alone"
    said = asdstream_here("check", "-c", config).stdout
    assert f"{alone}, {missing}" in said
    assert asdstream_here("enroll", "fan-1", one_window_of_fan(clips), "-c", config).returncode == 0
    said = asdstream_here("check", "-c", config).stdout
    assert alone in said
    assert missing not in said


@pytest.mark.parametrize("separate", ["on", "both"])
def test_separation_without_a_separator_is_an_error_of_the_configuration(separate: str, config: Path) -> None:
    config.write_text(f'{config.read_text()}separate = "{separate}"\n')
    for command in ("run", "check"):
        done = asdstream_here(command, "-c", config)
        assert done.returncode == (78 if command == "run" else 1)
        assert 'bundle small has no separator for machine type "fan"' in done.stderr + done.stdout


def test_feed_refuses_a_channel_that_takes_no_messages(config: Path, clips: Path) -> None:
    done = asdstream_here("feed", clips, "--channel", "fan-1", "-c", config)
    assert done.returncode == 78
    assert "mqtt" in done.stderr


def test_the_version_is_printed() -> None:
    assert asdstream("--version").stdout.startswith("asdstream ")
