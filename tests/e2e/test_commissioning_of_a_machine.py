"""A new machine on a real broker: it listens, says how far it is, learns, and only then raises an alarm."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from processes import DaemonProcess, Subscriber, asdstream_here, wait_until
from small_bundle import fan_sound, strange_sound

MakeConfig = Callable[..., Path]
RunDaemon = Callable[..., DaemonProcess]


@pytest.fixture
def config(mosquitto: MosquittoBroker, tmp_path: Path, make_config: MakeConfig) -> Path:
    """Of a machine that nobody knows: a fan, strange for a moment while it is listened to, and again when it is not."""
    parts = [fan_sound(120, seed=1), strange_sound(10, seed=2), fan_sound(180, seed=3), strange_sound(30, seed=4)]
    soundfile.write(tmp_path / "sound.flac", np.concatenate(parts), 16_000, subtype="PCM_16")
    return make_config(
        '{ kind = "file", path = "sound.flac", realtime = false, loop = true }',
        mosquitto.port,
        more="hop = 2.0\ncommissioning = { listen_s = 300, references = 10 }",
        alarms="k = 2\nn = 3\nfalse_alarms_per_day = 50.0",
        channel="new",
        machine="new-1",
        machine_type="unheard",
    )


@pytest.mark.timeout(300)
def test_a_new_machine_learns_by_itself_raises_alarms_only_then_and_obeys_a_calibration_that_is_kept(
    config: Path, subscriber: Subscriber, run_daemon: RunDaemon
) -> None:
    daemon = run_daemon(config)
    report = daemon.wait_for("commissioned")
    learning = next(one["commissioning"] for one in subscriber.seen("new/health"))
    assert (learning["state"], learning["listen_s"], learning["report"]) == ("learning", 300.0, None)
    assert wait_until(lambda: bool(subscriber.seen("event/alarm"))), "".join(daemon.lines)

    # What was strange while it listened raised no alarm and is no part of what it takes for normal.
    (taken_up, *_) = daemon.said("references_taken_up")
    first = subscriber.seen("event/alarm")[0]
    assert (first["transition"], first["alarm"]["kind"]) == ("raised", "anomaly")
    assert report["references"] == 10
    assert 140 <= report["windows"] <= 150
    assert 1 <= report["excluded_windows"] <= 20
    assert taken_up["threshold"] == pytest.approx(report["threshold"])
    assert {one["threshold"] for one in subscriber.seen("new/score")} == {report["threshold"]}
    assert wait_until(lambda: subscriber.seen("new/health")[-1]["commissioning"]["report"] is not None)
    done = subscriber.seen("new/health")[-1]["commissioning"]
    told = done["report"]
    assert (done["state"], done["done"]) == ("done", 1.0)
    assert (told["windows"], told["threshold"]) == (report["windows"], report["threshold"])
    listed = json.loads(asdstream_here("references", "list", "new-1", "--json", "-c", config).stdout)
    assert [change["actor"] for change in listed["revisions"]] == ["commissioning"]
    assert listed["commissioning"]["report"]["threshold"] == report["threshold"]

    held_out, figures = config.parent / "held-out.wav", config.parent / "figures.json"
    # What was strange is normal after all, now and then.
    normal = fan_sound(160, seed=9)
    now_and_then = np.arange(len(normal)) // 160_000 % 2 == 1
    soundfile.write(held_out, normal + now_and_then * strange_sound(160, seed=10), 16_000, subtype="PCM_16")
    saved = asdstream_here("calibrate", "new-1", held_out, "--save", "--json", figures, "-c", config)
    assert saved.returncode == 0, saved.stderr
    threshold = json.loads(figures.read_text())["threshold"]
    assert report["threshold"] < threshold < 2.0
    assert wait_until(lambda: subscriber.seen("new/score")[-1]["threshold"] == pytest.approx(threshold))
