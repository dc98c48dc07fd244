"""From recordings to an alarm, in small: train on a few clips, monitor with the bundle, feed normal and strange sound.

Real ToyCar clips where they are at hand, otherwise recordings that the simulator writes.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from processes import DaemonProcess, Subscriber, asdstream_here, program_here, wait_until
from real_recordings import recordings_dir
from short_recipe import shortened
from small_bundle import strange_sound

from asdstream.audio.simulator.dataset import ClipCounts, write_dcase
from asdstream.audio.simulator.machine import MachineSpec
from trainer.cli import main as asdtrain

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN_CLIPS = 20
TEST_CLIPS = 2
K, N = 2, 3
SPEED = 3
"""Times real time: no window may be shed, and one takes a slow core that others use as well a quarter of a second."""


@dataclass(frozen=True)
class Recordings:
    """A DCASE-layout folder with a machine, and clips of it to feed."""

    root: Path
    machine: str
    normal: list[Path]
    anomalous: list[Path]


@pytest.fixture
def recorded(tmp_path: Path) -> Recordings:
    root = tmp_path / "raw"
    toy_car = recordings_dir() / "dcase2023t2" / "dev_data" / "raw" / "ToyCar"
    if toy_car.is_dir():
        folder = root / "ToyCar"
        for split, pattern, count in (
            ("train", "*source_train_normal*", TRAIN_CLIPS),
            ("train", "*target_train_normal*", 3),
            ("test", "*source_test_normal*", TEST_CLIPS),
            ("test", "*source_test_anomaly*", TEST_CLIPS),
        ):
            (folder / split).mkdir(parents=True, exist_ok=True)
            for clip in sorted((toy_car / split).glob(pattern))[:count]:
                shutil.copy(clip, folder / split)
    else:
        counts = ClipCounts(source_train=TRAIN_CLIPS, target_train=3, test=TEST_CLIPS)
        # At two speeds, as clips that all sound alike would leave nothing to tell apart.
        specs = [MachineSpec("fan", identity=1, speed_rpm=speed) for speed in (1400.0, 1500.0)]
        folder = write_dcase(root, specs, specs[:1], counts=counts, seconds=12.0, audio_format="flac")
    return Recordings(
        root,
        folder.name,
        sorted((folder / "test").glob("*source_test_normal*")),
        sorted((folder / "test").glob("*source_test_anomaly*")),
    )


@pytest.fixture
def trained(recorded: Recordings, tmp_path: Path) -> Path:
    """The bundle of a recipe like the one that ships, cut to one epoch of short crops."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(shortened(REPOSITORY / "conf" / "trainer" / "system3-tiny.toml", held_out=0.5))
    run = tmp_path / "run"
    done = program_here(asdtrain, "asdtrain", "run", recipe, "--data", recorded.root, "--out", run, "--workers", 0)
    assert done.returncode == 0, done.stderr
    return run / "bundle"


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_clips_train_a_bundle_that_monitors_the_machine_over_mqtt(
    recorded: Recordings,
    trained: Path,
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    run_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
) -> None:
    config = tmp_path / "asdstream.toml"
    config.write_text(
        f"""bundle = "{trained}"
[mqtt]
port = {mosquitto.port}
[engine]
threads = 1
[store]
path = "state.db"
[alarms]
k = {K}
n = {N}
[[channels]]
id = "machine"
machine = "machine"
machine_type = "{recorded.machine}"
source = {{ kind = "mqtt", silence_gap_s = 60.0 }}
"""
    )
    foreign = tmp_path / "foreign.wav"
    soundfile.write(foreign, strange_sound(15, seed=1), 16_000, subtype="PCM_16")
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")

    seconds = 0.0
    for clips in (recorded.normal, recorded.anomalous, [foreign]):
        fed = asdstream_here("feed", *clips, "--channel", "machine", "-c", config, "--speed", SPEED)
        assert fed.returncode == 0, fed.stderr
        seconds += sum(soundfile.info(str(clip)).duration for clip in clips)
        windows = int(seconds) - 9
        assert wait_until(lambda windows=windows: len(subscriber.seen("/score")) == windows), "every window's score"
    scores = subscriber.seen("/score")
    assert [score["index"] for score in scores] == list(range(len(scores)))
    over = [score["anomalous"] for score in scores]
    first = next(i for i in range(len(over)) if sum(over[max(0, i - N + 1) : i + 1]) >= K)
    assert wait_until(lambda: bool(subscriber.seen("event/alarm")))
    raised = subscriber.seen("event/alarm")[0]
    assert (raised["transition"], raised["ts"]) == ("raised", scores[first]["ts"]), "as soon as k of n are over"
    assert all(over[-5:]), "what is no sound of this machine lies over the threshold"
