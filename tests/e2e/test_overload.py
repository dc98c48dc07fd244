"""The daemon with an engine that cannot keep up for a while, or at all, seen from outside."""

import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mosquitto_broker import MosquittoBroker
from numpy.typing import NDArray
from processes import Subscriber, wait_until
from small_bundle import fan_sound
from structlog.testing import capture_logs

from asdstream import daemon as daemons
from asdstream.audio.window import Window
from asdstream.bundle import Branch
from asdstream.config import load
from asdstream.engine.embedding import Embedding
from asdstream.engine.errors import DeviceLostError
from asdstream.engine.overload import OverloadPolicy
from asdstream.mqtt.broker import Broker
from asdstream.mqtt.client import MqttClient

pytestmark = pytest.mark.alone

HOP_S = 0.1
CHANNELS = ("fan-1", "fan-2", "fan-3")


class SlowEngine:
    """Sleeps for each window. What it hears is unlike anything the bundle knows, so that an alarm is due."""

    branches = (Branch("audiomae", "audiomae"),)

    def __init__(self) -> None:
        self.seconds_per_window = 0.0
        self.warmed_up: list[int] = []

    def warm_up(self, batches: Sequence[int] = (1,), separate_as: Iterable[str] = ()) -> float:
        self.warmed_up += batches
        return 0.0

    def separate(self, chunks: NDArray[np.float32], machine_type: str) -> NDArray[np.float32]:
        return chunks

    def lanes(self, within_s: float) -> int:
        return 1

    def embed(self, windows: Sequence[Window], separate_as: Mapping[str, str] | None = None) -> list[Embedding]:
        time.sleep(self.seconds_per_window * len(windows))
        strange = np.zeros(32, np.float32)
        strange[0] = 1.0
        return [Embedding(window, {"audiomae": strange}) for window in windows]

    def embed_samples(
        self, samples: NDArray[np.float32], separate_as: str | None = None
    ) -> dict[str, NDArray[np.float32]]:
        return {"audiomae": np.ones((len(samples), 32), np.float32)}


class Senders:
    """Play the same sound into every channel: the first window at once, what follows in real time."""

    def __init__(self, port: int) -> None:
        self._client = MqttClient(Broker("127.0.0.1", port), "senders")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        self._client.start()
        assert self._client.wait_connected(10.0)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)
        self._client.stop()

    def _play(self) -> None:
        sound = fan_sound(10, seed=4)
        self._send(sound)
        step, due = round(HOP_S * 16_000), time.monotonic()
        position = 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self._send(sound[position : position + step])
            position = (position + step) % len(sound)
            due += HOP_S

    def _send(self, samples: NDArray[np.float32]) -> None:
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format="WAV", subtype="PCM_16")
        for channel in CHANNELS:
            self._client.publish(f"asd/v1/plant/line-1/channel/{channel}/audio", file.getvalue())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SlowEngine:
    made = SlowEngine()
    monkeypatch.setattr(daemons, "embedder_of", lambda *_args, **_settings: made)
    monkeypatch.setattr(daemons, "OVERLOAD", OverloadPolicy(late_s=0.3, settle_s=0.3, calm_s=1.0))
    return made


@pytest.fixture
def senders(mosquitto: MosquittoBroker) -> Iterator[Senders]:
    made = Senders(mosquitto.port)
    yield made
    made.stop()


def test_an_engine_that_cannot_keep_up_widens_hops_starves_no_channel_tells_it_and_recovers(
    engine: SlowEngine,
    senders: Senders,
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
) -> None:
    others = "".join(
        f'[[channels]]\nid = "{name}"\nmachine = "{name}"\nmachine_type = "fan"\nhop = {HOP_S}\n'
        'source = { kind = "mqtt" }\n'
        for name in CHANNELS[1:]
    )
    config = make_config('{ kind = "mqtt" }', mosquitto.port, f"hop = {HOP_S}\n{others}")
    daemon = daemons.Daemon(load(config))
    stop, codes = threading.Event(), []
    running = threading.Thread(target=lambda: codes.append(daemon.run(stop)))
    running.start()

    def latest(channel: str) -> dict[str, object]:
        return subscriber.seen(f"{channel}/health")[-1]

    def indices(channel: str) -> list[int]:
        return [score["index"] for score in subscriber.seen(f"{channel}/score")]

    try:
        assert wait_until(lambda: bool(subscriber.seen("/info")), 20)
        assert engine.warmed_up == [1, 2, 4, 8]
        senders.start()
        assert wait_until(lambda: all(len(indices(name)) > 5 for name in CHANNELS), 20)
        assert latest("fan-1")["hop_s"] == HOP_S

        engine.seconds_per_window = 0.15
        assert wait_until(lambda: all(latest(name)["hop_s"] > HOP_S for name in CHANNELS), 20)  # type: ignore[operator]
        assert "cannot keep up" in str(latest("fan-2")["problem"])
        before = {name: len(indices(name)) for name in CHANNELS}
        time.sleep(4.0)
        heard = {name: len(indices(name)) - before[name] for name in CHANNELS}
        assert min(heard.values()) >= 0.4 * max(heard.values()) > 0, f"a channel starves: {heard}"

        engine.seconds_per_window = 0.001
        assert wait_until(lambda: all(latest(name)["hop_s"] == HOP_S for name in CHANNELS), 40)
        since = {name: len(indices(name)) for name in CHANNELS}
        assert wait_until(lambda: all(len(indices(name)) > since[name] + 20 for name in CHANNELS), 20)
        for name in CHANNELS:
            steps = set(np.diff(indices(name)[since[name] + 5 :]))
            assert steps == {1}, "every window is scored again"
            told = latest(name)
            assert told["problem"] is None
            assert told["hop_widened"] > 0  # type: ignore[operator]
            assert told["windows_shed"] > 0  # type: ignore[operator]
    finally:
        stop.set()
        running.join(10)
    assert codes == [0]
    events = subscriber.seen("event/alarm")
    assert {(event["transition"], event["alarm"]["channel"]) for event in events} == {
        ("raised", name) for name in CHANNELS
    }, "each alarm was raised, and shedding cleared none"
    for name in CHANNELS:
        for score in subscriber.seen(f"{name}/score"):
            parts = score["latency"]
            assert 0 <= parts["queue_s"] <= parts["total_s"]
            assert 0 <= parts["compute_s"] <= parts["total_s"]


def test_an_engine_whose_device_is_lost_ends_the_daemon_with_the_reason(
    engine: SlowEngine,
    mosquitto: MosquittoBroker,
    make_config: Callable[..., Path],
    recordings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(_windows: Sequence[Window], _separate_as: Mapping[str, str] | None = None) -> list[Embedding]:
        raise DeviceLostError("device cuda:0 can no longer be used, so this process has to be started anew: it is gone")

    monkeypatch.setattr(engine, "embed", lost)
    config = make_config(f'{{ kind = "file", path = "{recordings}", realtime = false }}', mosquitto.port)
    with capture_logs() as logs:
        assert daemons.Daemon(load(config)).run(threading.Event()) == 1
    (reason,) = [entry["reason"] for entry in logs if entry["event"] == "stopped"]
    assert "device cuda:0 can no longer be used" in reason
