"""The whole line: from sound to an alarm that a stranger sees on a real broker."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import soundfile
from mosquitto_broker import MosquittoBroker, find_program, free_port
from processes import DaemonProcess, Subscriber, asdstream_here, wait_until
from small_bundle import fan_sound

MQTT_SOURCE = '{ kind = "mqtt" }'
RunDaemon = Callable[[Path], DaemonProcess]
MakeConfig = Callable[..., Path]


@pytest.mark.alone
def test_sound_fed_over_mqtt_is_scored_window_by_window_and_what_is_strange_raises_an_alarm(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    recordings: Path,
) -> None:
    monitor = free_port()
    config = make_config(MQTT_SOURCE, mosquitto.port, f"[metrics]\nport = {monitor}")
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")

    fed = asdstream_here("feed", recordings / "normal.flac", "--channel", "fan-1", "-c", config, "--speed", 10)
    assert fed.returncode == 0, fed.stderr
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 11)
    assert not any(score["anomalous"] for score in subscriber.seen("fan-1/score"))

    asdstream_here("feed", recordings / "strange.wav", "--channel", "fan-1", "-c", config, "--speed", 10)
    assert wait_until(lambda: bool(subscriber.seen("event/alarm")))
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) >= 22)

    (event,) = subscriber.seen("event/alarm")
    assert (event["transition"], event["alarm"]["kind"], event["alarm"]["channel"]) == ("raised", "anomaly", "fan-1")
    assert event["alarm"]["peak_score"] > event["alarm"]["threshold"]
    assert subscriber.seen("alarm/fan-1.anomaly/state")[0]["active"] is True
    scores = subscriber.seen("fan-1/score")
    assert [score["index"] for score in scores] == list(range(len(scores))), "no window is missing or out of order"
    assert all(score["nearest"] and score["latency_ms"] < 10_000 for score in scores)

    def metrics() -> list[str]:
        return httpx2.get(f"http://127.0.0.1:{monitor}/metrics").text.splitlines()

    def as_many_as_seen(metric: str) -> bool:
        return f"{metric} {len(subscriber.seen('fan-1/score')):.1f}" in metrics()

    assert wait_until(lambda: as_many_as_seen('asdstream_windows_scored_total{channel="fan-1",machine="fan-1"}'))
    assert wait_until(lambda: as_many_as_seen('asdstream_latency_seconds_count{stage="total"}'))
    priority = event["alarm"]["priority"]
    assert f'asdstream_alarm_active{{channel="fan-1",kind="anomaly",priority="{priority}"}} 1.0' in metrics()
    assert httpx2.get(f"http://127.0.0.1:{monitor}/healthz").json()["healthy"] is True
    assert httpx2.get(f"http://127.0.0.1:{monitor}/readyz").json() == {"ready": True, "problems": []}


def test_a_folder_of_recordings_is_scored_as_fast_as_possible_and_then_the_daemon_ends(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    recordings: Path,
) -> None:
    config = make_config(f'{{ kind = "file", path = "{recordings}", realtime = false }}', mosquitto.port)
    assert run_daemon(config).wait() == 0
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 22), "two recordings of 20 s at a hop of 1 s"
    over = [score["anomalous"] for score in subscriber.seen("fan-1/score")]
    assert over == [False] * 11 + [True] * 11, "no window spans two recordings"
    assert [event["transition"] for event in subscriber.seen("event/alarm")] == ["raised"]
    assert subscriber.seen("fan-1/health")[-1]["state"] == "ended"


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_within_three_seconds_and_it_says_farewell(
    number: signal.Signals,
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
) -> None:
    daemon = run_daemon(make_config('{ kind = "simulator", identity = 1 }', mosquitto.port))
    daemon.wait_for("mqtt_connected")
    code, seconds = daemon.stop(number)
    assert code == 0
    assert seconds < 3.0
    assert wait_until(lambda: subscriber.seen("/status")[-1]["state"] == "offline")


def test_without_a_broker_it_starts_says_so_and_delivers_the_alarm_when_the_broker_comes(
    mosquitto: MosquittoBroker, make_config: MakeConfig, run_daemon: RunDaemon, recordings: Path
) -> None:
    mosquitto.stop()
    source = f'{{ kind = "file", path = "{recordings / "strange.wav"}", realtime = false, loop = true }}'
    daemon = run_daemon(make_config(source, mosquitto.port))
    problem = daemon.wait_for("mqtt_not_connected")["problem"]
    assert str(mosquitto.port) in problem
    assert daemon.wait_for("alarm")["transition"] == "raised"
    # It must not come to the broker before who listens.
    daemon.send(signal.SIGSTOP)
    mosquitto.start()
    subscriber = Subscriber(mosquitto)
    daemon.send(signal.SIGCONT)
    try:
        assert wait_until(lambda: bool(subscriber.seen("event/alarm")))
        assert subscriber.seen("event/alarm")[0]["event_id"] == daemon.said("alarm")[0]["event_id"]
    finally:
        subscriber.stop()
    assert len(daemon.said("mqtt_not_connected")) == 1, "the same trouble is said once"


def test_messages_that_are_no_sound_are_counted_and_the_channel_lives_on(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    recordings: Path,
    tmp_path: Path,
) -> None:
    config = make_config('{ kind = "mqtt", max_message_bytes = 100000 }', mosquitto.port)
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")
    # It subscribes after it has connected, and tells its health after that; what comes before would be lost.
    assert wait_until(lambda: bool(subscriber.seen("fan-1/health")))
    topic = "asd/v1/plant/line-1/channel/fan-1/audio"
    hostile = {
        "text": b"this is no sound, this is a sentence",
        "too large": b"RIFF" + bytes(200_000),
        "flac instead of wav": (recordings / "normal.flac").read_bytes()[:50_000],
        "truncated wav": (recordings / "strange.wav").read_bytes()[:30_000],
        "empty": b"",
    }
    for payload in hostile.values():
        file = tmp_path / "payload"
        file.write_bytes(payload)
        for _ in range(2):
            subprocess.run(
                [find_program("mosquitto_pub"), "-p", str(mosquitto.port), "-t", topic, "-f", str(file)], check=True
            )
    asdstream_here("feed", recordings / "normal.flac", "--channel", "fan-1", "-c", config, "--speed", 10)
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) == 11)
    assert wait_until(lambda: subscriber.seen("fan-1/health")[-1]["rejected"] == 2 * len(hostile))
    kinds = [line["kind"] for line in daemon.said("audio_message_rejected")]
    assert len(kinds) == len(set(kinds)), "each kind of fault is logged once"


def test_references_enrolled_while_it_runs_are_taken_up(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    recordings: Path,
    tmp_path: Path,
) -> None:
    config = make_config(f'{{ kind = "file", path = "{recordings / "strange.wav"}", loop = true }}', mosquitto.port)
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: bool(subscriber.seen("fan-1/score")))
    assert subscriber.seen("fan-1/score")[0]["anomalous"]
    enrolled = asdstream_here("enroll", "fan-1", recordings / "strange.wav", "-c", config, "--force")
    assert enrolled.returncode == 0, enrolled.stderr
    daemon.wait_for("references_taken_up")
    count = len(subscriber.seen("fan-1/score"))
    assert wait_until(lambda: len(subscriber.seen("fan-1/score")) >= count + 3)
    latest = subscriber.seen("fan-1/score")[-1]
    assert not latest["anomalous"]
    assert latest["nearest"][0]["label"].startswith("reference/")


def test_a_source_that_falls_silent_raises_its_own_alarm_and_clears_it_when_sound_comes_back(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    tmp_path: Path,
) -> None:
    config = make_config(MQTT_SOURCE, mosquitto.port, alarms="k = 3\nn = 5\nsource_lost_after_s = 1.0")
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: len(subscriber.seen("event/alarm")) == 1)
    assert subscriber.seen("event/alarm")[0]["alarm"]["kind"] == "source"
    assert wait_until(lambda: bool(subscriber.seen("alarm/fan-1.anomaly/state")))
    unheard = subscriber.seen("alarm/fan-1.anomaly/state")[0]
    assert (unheard["condition"], unheard["active"]) == ("unknown", False), "not normal: nobody hears it"
    recording = tmp_path / "short.wav"
    soundfile.write(recording, fan_sound(2, seed=5), 16_000, subtype="PCM_16")
    asdstream_here("feed", recording, "--channel", "fan-1", "-c", config)
    assert wait_until(lambda: len(subscriber.seen("event/alarm")) >= 2)
    assert subscriber.seen("event/alarm")[1]["transition"] == "cleared"
    time.sleep(0.2)
    assert subscriber.messages[-1][0].startswith("asd/v1/plant/line-1/")


def test_an_alarm_that_stood_when_the_daemon_was_killed_clears_when_its_cause_is_gone(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: MakeConfig,
    run_daemon: RunDaemon,
    tmp_path: Path,
) -> None:
    config = make_config(MQTT_SOURCE, mosquitto.port, alarms="k = 3\nn = 5\nsource_lost_after_s = 5.0")
    killed = run_daemon(config)
    assert wait_until(lambda: len(subscriber.seen("event/alarm")) == 1)
    killed.kill()
    daemon = run_daemon(config)
    daemon.wait_for("mqtt_connected")
    assert wait_until(lambda: len(subscriber.seen("/info")) >= 2), "it listens before it tells what it is"
    recording = tmp_path / "short.wav"
    soundfile.write(recording, fan_sound(4, seed=5), 16_000, subtype="PCM_16")
    asdstream_here("feed", recording, "--channel", "fan-1", "-c", config)
    assert wait_until(lambda: len(subscriber.seen("event/alarm")) >= 2)
    raised, cleared = subscriber.seen("event/alarm")[:2]
    assert (raised["transition"], cleared["transition"]) == ("raised", "cleared")
    assert raised["alarm"]["occurrence"] == cleared["alarm"]["occurrence"]
    assert raised["boot_id"] != cleared["boot_id"]


def test_a_broker_that_was_started_anew_is_told_of_the_alarms_that_stand(
    mosquitto: MosquittoBroker, make_config: MakeConfig, run_daemon: RunDaemon, recordings: Path
) -> None:
    source = f'{{ kind = "file", path = "{recordings / "strange.wav"}", realtime = false, loop = true }}'
    daemon = run_daemon(make_config(source, mosquitto.port))
    assert daemon.wait_for("alarm")["transition"] == "raised"
    topic = "asd/v1/plant/line-1/alarm/fan-1.anomaly/state"
    mosquitto.stop(kill=True)
    told = mosquitto.log.count(topic)
    mosquitto.start()
    assert wait_until(lambda: mosquitto.log.count(topic) > told), "".join(daemon.lines)
    latecomer = Subscriber(mosquitto)
    try:
        assert wait_until(lambda: any(message[0] == topic and message[1] for message in latecomer.messages))
    finally:
        latecomer.stop()
