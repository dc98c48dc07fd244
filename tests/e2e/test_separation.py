"""A channel whose sound is separated, through the whole line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from processes import DaemonProcess, Subscriber, asdstream_here, wait_until
from small_bundle import fan_sound
from system_bundles import contents_of, separator

from asdstream import bundle as bundles
from asdstream.audio.window import Window
from asdstream.audio.windower import windows_of
from asdstream.bundle import ANY_TYPE
from asdstream.engine.embedder import Embedder
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.scorer import Scorer


def test_windows_references_and_prototypes_of_a_separated_channel_are_compared_alike(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
    run_daemon: Callable[[Path], DaemonProcess],
    small_bundle: Path,
    tmp_path: Path,
) -> None:
    contents = contents_of("system3", separators={ANY_TYPE: separator()}, separated=True)
    bundle = bundles.save(tmp_path / "separating", contents)
    recording = tmp_path / "fan.wav"
    soundfile.write(recording, fan_sound(12, seed=301), 16_000, subtype="PCM_16")
    config = make_config(f'{{ kind = "file", path = "{recording}", realtime = false }}', mosquitto.port)
    config.write_text(config.read_text().replace(str(small_bundle), str(bundle.path)))
    assert run_daemon(config).wait() == 0
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 3)

    samples, _ = soundfile.read(recording, dtype="float32")
    windows = [
        Window("fan-1", i, row, 0.0, 10.0, 0.0, start=16_000 * i) for i, row in enumerate(windows_of(samples, 1.0))
    ]
    made = Embedder(bundle, device="cpu", threads=1).embed(windows, {"fan-1": "fan"})
    scorer = Scorer.from_bundle(bundle, "fan-1", "fan", FalseAlarmRate(1, 1, 3, 5), separated=True)
    published = [score["score"] for score in subscriber.seen("fan-1/score")]
    assert published == pytest.approx([scorer.score(embedding).score for embedding in made], abs=1e-3)

    assert asdstream_here("enroll", "fan-1", recording, "-c", config).returncode == 0
    assert run_daemon(config).wait() == 0
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 6)
    assert subscriber.seen("fan-1/score")[3]["score"] == pytest.approx(0, abs=1e-4), "it is the reference itself"


def test_a_channel_that_is_heard_both_ways_is_compared_alike_in_each(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
    run_daemon: Callable[[Path], DaemonProcess],
    small_bundle: Path,
    tmp_path: Path,
) -> None:
    contents = contents_of("system1", separators={ANY_TYPE: separator()}, separated=True)
    bundle = bundles.save(tmp_path / "separating", contents)
    recording = tmp_path / "fan.wav"
    soundfile.write(recording, fan_sound(10, seed=302), 16_000, subtype="PCM_16")
    config = make_config(f'{{ kind = "file", path = "{recording}", realtime = false }}', mosquitto.port)
    text = config.read_text().replace(str(small_bundle), str(bundle.path))
    config.write_text(text.replace("[[channels]]", '[[channels]]\nseparate = "both"', 1))
    assert asdstream_here("enroll", "fan-1", recording, "-c", config).returncode == 0
    assert run_daemon(config).wait() == 0
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 1)
    (score,) = subscriber.seen("fan-1/score")
    assert score["score"] == pytest.approx(0, abs=1e-4), "it is the reference itself, in both ways"
    assert {near["branch"] for near in score["nearest"]} == {"audiomae", "audiomae+separated"}
