"""A factory with one fan, on a real broker."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from processes import DaemonProcess, Subscriber
from small_bundle import fan_sound, strange_sound

MakeConfig = Callable[..., Path]


@pytest.fixture
def make_config(tmp_path: Path, small_bundle: Path) -> MakeConfig:
    """Writes a configuration with one channel, whose source is given as TOML; `fan-1` unless told otherwise."""

    def make(
        source: str,
        port: int,
        more: str = "",
        alarms: str = "k = 3\nn = 5",
        channel: str = "fan-1",
        machine: str = "fan-1",
        machine_type: str = "fan",
    ) -> Path:
        path = tmp_path / "asdstream.toml"
        path.write_text(
            f"""
bundle = "{small_bundle}"
[site]
name = "plant"
node = "line-1"
[mqtt]
port = {port}
[engine]
threads = 1
[store]
path = "state.db"
[alarms]
{alarms}
[[channels]]
id = "{channel}"
machine = "{machine}"
machine_type = "{machine_type}"
source = {source}
{more}
"""
        )
        return path

    return make


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """`normal.flac`, 20 s of the fan that the bundle knows, and `strange.wav`, 20 s of nothing like it."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "normal.flac", fan_sound(20, seed=101), 16_000, subtype="PCM_16")
    soundfile.write(folder / "strange.wav", strange_sound(20, seed=102), 16_000, subtype="PCM_16")
    return folder


@pytest.fixture
def run_daemon() -> Iterator[Callable[..., DaemonProcess]]:
    """Starts `asdstream run`; whatever still runs at the end of the test is killed."""
    running: list[DaemonProcess] = []

    def start(config: Path, **environment: str) -> DaemonProcess:
        running.append(DaemonProcess(config, **environment))
        return running[-1]

    yield start
    for process in running:
        process.kill()


@pytest.fixture
def subscriber(mosquitto: MosquittoBroker) -> Iterator[Subscriber]:
    """mosquitto_sub on everything that we publish."""
    listening = Subscriber(mosquitto)
    yield listening
    listening.stop()
