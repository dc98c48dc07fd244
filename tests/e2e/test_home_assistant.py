"""The daemon as Home Assistant sees it."""

from collections.abc import Callable
from pathlib import Path

from mosquitto_broker import MosquittoBroker
from processes import DaemonProcess, Subscriber, wait_until


def test_home_assistant_is_told_of_the_box_and_its_alarm_sensor_turns_on(
    mosquitto: MosquittoBroker,
    subscriber: Subscriber,
    make_config: Callable[..., Path],
    run_daemon: Callable[[Path], DaemonProcess],
    recordings: Path,
) -> None:
    source = f'{{ kind = "file", path = "{recordings / "strange.wav"}", realtime = false, loop = true }}'
    config = make_config(source, mosquitto.port)
    config.write_text(config.read_text().replace("[mqtt]\n", "[mqtt]\nhome_assistant = true\n"))
    home = Subscriber(mosquitto, "homeassistant/#")
    try:
        run_daemon(config)
        assert wait_until(lambda: bool(home.seen("/device/asdstream-plant-line-1/config")))
        announced = home.seen("/config")[0]
        sensor = announced["components"]["fan-1_alarm"]
        assert sensor["state_topic"] == "asd/v1/plant/line-1/channel/fan-1/health"
        assert wait_until(lambda: any(health["alarm"] == "active" for health in subscriber.seen("fan-1/health")))
        told = [health["alarm"] for health in subscriber.seen("fan-1/health")]
        assert told[0] == "unknown", "nobody had heard the machine yet"
    finally:
        home.stop()
