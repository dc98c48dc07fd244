"""The daemon on a broker that is set up as conf/mosquitto shows."""

import json
from collections.abc import Callable
from pathlib import Path

from certificates import make_certificates
from processes import DaemonProcess, asdstream_here, wait_until
from shipped_broker import PASSWORDS, make_shipped_broker

from asdstream.mqtt.broker import Broker, Tls
from asdstream.mqtt.client import MqttClient


def test_the_daemon_needs_no_more_than_the_access_that_the_example_gives_it(
    make_config: Callable[..., Path],
    run_daemon: Callable[[Path], DaemonProcess],
    recordings: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificates = make_certificates(folder)
    broker = make_shipped_broker(tmp_path, certificates)
    broker.start()
    (tmp_path / "mqtt-password").write_text(PASSWORDS["asdstream"])
    config = make_config('{ kind = "mqtt" }', broker.port)
    mqtt = f"""
username = "asdstream"
password_file = "mqtt-password"
home_assistant = true
tls = {{ ca_file = "{certificates.crt("ca")}" }}
"""
    text = config.read_text().replace('"plant"', '"plant-1"').replace('"line-1"', '"press-hall"')
    config.write_text(text.replace("[mqtt]\n", f"[mqtt]{mqtt}"))
    heard: dict[str, bytes] = {}
    watcher = MqttClient(
        Broker(
            broker.host,
            broker.port,
            username="homeassistant",
            password=PASSWORDS["homeassistant"],
            tls=Tls(certificates.crt("ca")),
        ),
        "watcher",
    )
    watcher.subscribe("#", heard.__setitem__, qos=1)
    watcher.start()
    root = "asd/v1/plant-1/press-hall"
    try:
        daemon = run_daemon(config)
        daemon.wait_for("mqtt_connected")
        fed = asdstream_here("feed", recordings / "strange.wav", "--channel", "fan-1", "-c", config, "--speed", 10)
        assert fed.returncode == 0, fed.stderr
        expected = {
            "homeassistant/device/asdstream-plant-1-press-hall/config",
            *(f"{root}/{topic}" for topic in ("status", "info", "channel/fan-1/score", "channel/fan-1/health")),
            *(f"{root}/{topic}" for topic in ("alarm/fan-1.anomaly/state", "event/alarm")),
        }
        assert wait_until(lambda: expected <= set(heard)), expected - set(heard)
        daemon.stop()
        assert wait_until(lambda: json.loads(heard[f"{root}/status"])["state"] == "offline")
        assert "Denied" not in broker.log
    finally:
        watcher.stop()
        broker.stop(kill=True)
