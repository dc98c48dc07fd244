"""asdstream bench, as a stranger meets it."""

import json
from pathlib import Path

import pytest
from processes import asdstream, asdstream_here


@pytest.fixture
def config(tmp_path: Path, small_bundle: Path) -> Path:
    path = tmp_path / "asdstream.toml"
    path.write_text(
        f"""bundle = "{small_bundle}"
[engine]
threads = 1
max_batch = 2
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
hop = 0.5
source = {{ kind = "simulator" }}
"""
    )
    return path


def test_channels_are_measured_as_the_configuration_says_where_no_option_says_otherwise(
    config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    picture = tmp_path / "latency.png"
    options = ("--precision", "bfloat16", "--channels", 2, "--seconds", 1, "--json", file, "--picture", picture)
    done = asdstream_here("bench", "-c", config, *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures["setting"]["bundle"] == "small"
    assert (figures["setting"]["hop_s"], figures["setting"]["max_batch"]) == (0.5, 2)
    assert (figures["machine"]["threads"], figures["machine"]["precision"]) == (1, "bfloat16")
    assert figures["latency"]["windows"] == 4
    assert figures["channels_held"] is None, "nobody asked how many are held"
    assert "latency p99" in done.stdout
    assert "channels 2" in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--bundle", "/no/such/folder"), "there is no such folder"),
        (("--separate", "on"), "has no separator"),
        (("--hop", "0.123"), "no multiple of 10 ms"),
        (("--hop", "10", "--seconds", "5"), "at least 20 are needed"),
        (("--json", "/no/such/folder/figures.json"), "the folder /no/such/folder does not exist"),
        (("--picture", "latency.html"), "the name should end with .png"),
        (("-c", "/no/such.toml"), "no such file"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(arguments: tuple[str, ...], complaint: str) -> None:
    done = asdstream_here("bench", *arguments)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_demonstrations_bundle_is_measured_from_rate_to_memory(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = asdstream("bench", "--seconds", 2, "--json", file, timeout_s=600.0)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures["setting"]["bundle"] == "demo"
    assert figures["rate"]["windows_per_second"] > 0
    held = figures["channels_held"]
    assert any(run["held"] for run in figures["tries"] if run["channels"] == held) or held == 0
    assert any(not run["held"] for run in figures["tries"])
    if held:
        assert figures["latency"]["channels"] == max(1, int(0.7 * held + 1e-9))
        assert figures["latency"]["resident_bytes"] > 50e6
    assert "windows per second" in done.stdout
