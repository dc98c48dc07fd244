"""A real capture through PortAudio and ALSA, from a virtual sound card, up to an alarm on a real broker."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mosquitto_broker import MosquittoBroker
from numpy.typing import NDArray
from processes import DaemonProcess, Subscriber, wait_until
from small_bundle import fan_sound, strange_sound
from virtual_microphone import NAME, VirtualMicrophone, require_alsa

pytestmark = pytest.mark.alone

RATE = 48_000
PERIOD = 48_000
"""Samples after which the ramp begins again."""

CAPTURE = """
import json, os, sys, time
import numpy as np
from asdstream.audio.channel import Channel
from asdstream.audio.devices import list_devices
from asdstream.audio.microphone import MicrophoneSource

rate, seconds = int(sys.argv[1]), float(sys.argv[2])
os.set_blocking(0, False)
print(json.dumps({"devices": [[d.name, d.stable_id, d.host_api] for d in list_devices()]}), flush=True)
source = MicrophoneSource("floor_microphone", sample_rate=rate)
channel = Channel("floor", hop_s=0.5, window_s=1.0)
source.start(time.monotonic())
end, state, blocks, windows = time.monotonic() + seconds, None, [], 0
while time.monotonic() < end and sys.stdin.buffer.raw.read(3) != b"end":
    for block in source.poll(time.monotonic()):
        blocks.append(block)
        windows += len(channel.feed(block, time.monotonic(), time.time()))
    if source.state != state:
        state = source.state
        print(json.dumps({"state": state, "problem": source.problem}), flush=True)
    time.sleep(0.02)
source.stop()
ramp = np.round(np.concatenate([block.samples[:, 0] for block in blocks]) * 48000).astype(int)
steps = np.diff(ramp)
print(json.dumps({"frames": len(ramp), "windows": windows, "gaps": channel.stats.gaps,
                  "jumps": int(np.count_nonzero((steps != 1) & (steps != 1 - 48000)))}), flush=True)
"""


def ramp(position: int, count: int) -> NDArray[np.float32]:
    return (np.arange(position, position + count) % PERIOD / PERIOD).astype(np.float32)


@pytest.fixture
def microphone(tmp_path: Path) -> Iterator[VirtualMicrophone]:
    """Plays an endless ramp, in which every sample that is lost shows."""
    require_alsa()
    microphone = VirtualMicrophone(tmp_path, ramp, RATE)
    yield microphone
    microphone.close()


def capture(microphone: VirtualMicrophone, seconds: float) -> "subprocess.Popen[str]":
    """Record for `seconds`, or until told that it is the end.

    In a process of its own, since PortAudio reads the ALSA configuration of its process once.
    """
    return subprocess.Popen(
        [sys.executable, "-c", CAPTURE, str(RATE), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **microphone.environment},
    )


def event_of(process: "subprocess.Popen[str]") -> dict[str, object]:
    """The next that it says, among the lines of its log."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            event: dict[str, object] = json.loads(line)
            return event
    raise AssertionError(
        f"the recording ended with status {process.wait(timeout=60)} before it had said what was waited for"
    )


def events_of(process: "subprocess.Popen[str]", last_word: str = "") -> list[dict[str, object]]:
    """What it says from now on to its end."""
    output, _ = process.communicate(last_word, timeout=60)
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_every_sample_of_a_virtual_sound_card_arrives_in_order_or_is_counted_as_lost(
    microphone: VirtualMicrophone,
) -> None:
    events = events_of(capture(microphone, 4.0))
    assert events[0]["devices"] == [[NAME, f"alsa:{NAME}", "ALSA"]]
    assert {"state": "live", "problem": None} in events
    result = events[-1]
    assert isinstance(result["frames"], int)
    assert result["frames"] > 2.5 * RATE
    # A box that is busy with other things may lose sound, but never without counting it.
    assert isinstance(result["jumps"], int)
    assert isinstance(result["gaps"], int)
    assert result["jumps"] <= result["gaps"] <= 1
    assert isinstance(result["windows"], int)
    assert result["windows"] >= 3


def test_a_card_that_falls_silent_is_waited_for_and_its_return_is_a_gap(microphone: VirtualMicrophone) -> None:
    process = capture(microphone, 60.0)
    said = [event_of(process)]
    for paused, state in ((False, "live"), (True, "waiting"), (False, "live")):
        microphone.paused = paused
        while said[-1].get("state") != state:
            said.append(event_of(process))
        # Some sound, so that what is missing lies between what was heard.
        time.sleep(0.5)
    events = [*said, *events_of(process, "end")]
    states = [event["state"] for event in events if "state" in event]
    first_live = states.index("live")
    assert states[first_live : first_live + 3] == ["live", "waiting", "live"]
    assert isinstance(events[-1]["gaps"], int)
    assert events[-1]["gaps"] >= 1


@pytest.mark.timeout(180)
def test_the_daemon_hears_a_machine_through_the_sound_card_and_raises_its_alarm(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
    run_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
) -> None:
    require_alsa()
    sound = np.concatenate([fan_sound(11, seed=301), strange_sound(30, seed=302)])

    def at(position: int, count: int) -> NDArray[np.float32]:
        return sound[np.arange(position, position + count) % len(sound)]

    microphone = VirtualMicrophone(tmp_path, at, 16_000)
    try:
        config = make_config(f'{{ kind = "microphone", device = "{NAME}", sample_rate = 16000 }}', mosquitto.port)
        daemon = run_daemon(config, **microphone.environment)
        assert wait_until(lambda: bool(subscriber.seen("event/alarm")), 90), "".join(daemon.lines)
        event = subscriber.seen("event/alarm")[0]
        assert (event["transition"], event["alarm"]["kind"]) == ("raised", "anomaly")
        assert not subscriber.seen("fan-1/score")[0]["anomalous"], "the healthy fan came first"
        assert daemon.stop()[0] == 0
    finally:
        microphone.close()
