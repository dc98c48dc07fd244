"""A machine begins to sound wrong: the alarm says why, and its sound can be asked for over MQTT."""

import base64
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from mosquitto_broker import MosquittoBroker, find_program
from numpy.typing import NDArray
from processes import DaemonProcess, Subscriber, wait_until
from small_bundle import fan_sound, strange_sound

ROOT = "asd/v1/plant/line-1"
RATE = 16_000


def ask(broker: MosquittoBroker, subscriber: Subscriber, transaction: str, **args: str) -> dict[str, Any]:
    """The reply to `cmd/clip`."""
    payload = json.dumps({"transaction": transaction, "actor": "ann", "args": args})
    subprocess.run(
        [find_program("mosquitto_pub"), "-p", str(broker.port), "-t", f"{ROOT}/cmd/clip", "-q", "1", "-m", payload],
        check=True,
    )
    assert wait_until(lambda: bool(subscriber.seen(f"reply/{transaction}")))
    return subscriber.seen(f"reply/{transaction}")[0]


def sound_of(reply: dict[str, Any]) -> NDArray[np.float64]:
    assert reply["status"] == "ok", reply["error"]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(reply["data"]["audio_base64"])))
    assert rate == RATE
    return samples


def treble(samples: NDArray[np.float64]) -> float:
    """Share of the energy above 4 kHz."""
    power = np.square(np.abs(np.fft.rfft(samples)))
    return float(power[len(power) // 2 :].sum() / power.sum())


def test_a_fault_develops_and_the_alarm_has_its_evidence_and_a_clip_in_which_the_fault_is_heard(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
    run_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
) -> None:
    recording = tmp_path / "fan-that-breaks.wav"
    sound = np.concatenate([fan_sound(22, seed=101), strange_sound(14, seed=102)])
    soundfile.write(recording, sound, RATE, subtype="PCM_16")
    source = f'{{ kind = "file", path = "{recording}", realtime = false, loop = true }}'
    config = make_config(source, mosquitto.port)
    config.write_text("\n".join([config.read_text(), "[clips]", "pre_roll_s = 12.0", "post_roll_s = 2.0"]))
    run_daemon(config)

    assert wait_until(lambda: bool(subscriber.seen("event/alarm")))
    alarm = subscriber.seen("event/alarm")[0]["alarm"]
    assert alarm["clip"] == alarm["occurrence"]
    assert subscriber.seen("alarm/fan-1.anomaly/state")[0]["evidence"] == alarm["evidence"]
    evidence = alarm["evidence"]
    assert evidence["nearest"]["kind"] == "prototype"
    assert evidence["compared_with"].startswith("heard/"), "nothing was enrolled"
    assert evidence["bands"][0]["change_db"] > 3.0
    assert evidence["bands"][0]["high_hz"] > 4_000.0, "the fault is a hiss"
    assert evidence["repetition_hz"] is None or abs(evidence["repetition_hz"] - 3.0) < 0.1, "three bursts a second"
    assert "new energy" in evidence["sentence"]

    folder = tmp_path / "clips"
    assert wait_until((folder / f"{alarm['clip']}.json").is_file)
    assert (folder / f"{alarm['clip']}.png").stat().st_size > 1_000
    reply = ask(mosquitto, subscriber, "t1", clip=alarm["clip"], part="alarm")
    assert reply["data"]["sentence"] == evidence["sentence"]
    heard = sound_of(reply)
    assert 8.0 <= len(heard) / RATE <= 14.0
    assert treble(heard[-RATE:]) > 0.5 > treble(heard[:RATE])
    normal = sound_of(ask(mosquitto, subscriber, "t2", clip=alarm["clip"], part="reference"))
    assert treble(normal) < 0.5
    unknown = ask(mosquitto, subscriber, "t3", clip="0" * 26)
    assert (unknown["status"], unknown["data"]) == ("refused", None)
