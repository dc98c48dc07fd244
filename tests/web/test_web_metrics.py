"""What Prometheus is given, and what the monitor answers."""

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from alarm_state import raised_alarm
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from asdstream.alarms.event import AlarmEvent, Transition
from asdstream.engine.embedding import WorkTimes
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.web.metrics import Metrics
from asdstream.web.monitor import Monitor, monitor_app
from asdstream.web.readings import ChannelReading, NodeReading

CHANNEL = ChannelReading("fan-1", "fan", 2.0, 40, 30, 6, 4, 1, 2, 3, 0.4, None)
READING = NodeReading([CHANNEL], (), (), 5, 1, 7, True, 2, 11, 12, 10**9, None)
WINDOW = ScoredWindow(
    "fan-1", "fan", 3, 0.0, 10.0, 100.0, 0.31, 0.9, 0.35, (), WorkTimes(100.01, 100.05, 100.2), published=100.4
)


def metrics_of(reading: NodeReading = READING) -> Metrics:
    return Metrics("1.0", ("demo", "ab" * 32), lambda: reading)


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    """By name and labels, as text, of every sample."""
    return {
        (sample.name, ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_every_count_of_a_channel_and_of_the_node_is_told_at_each_scrape() -> None:
    told = values(metrics_of())
    of_the_fan = "channel=fan-1,machine=fan"
    assert told["asdstream_windows_total", of_the_fan] == 40
    assert told["asdstream_windows_scored_total", of_the_fan] == 30
    assert told["asdstream_windows_shed_total", of_the_fan] == 6
    assert told["asdstream_windows_dropped_total", of_the_fan] == 4
    assert told["asdstream_hop_seconds", of_the_fan] == 2.0
    assert told["asdstream_outbox_messages", ""] == 7
    assert told["asdstream_mqtt_connected", ""] == 1
    assert told["asdstream_mqtt_connections_total", ""] == 2


def test_what_cannot_be_told_is_left_out_and_not_zero() -> None:
    names = {name for name, _ in values(metrics_of())}
    assert "asdstream_sound_level_dbfs" not in names
    assert "asdstream_device_memory_bytes" not in names


def test_latency_is_split_into_waiting_computing_and_all() -> None:
    metrics = metrics_of()
    metrics.scored(WINDOW)
    told = values(metrics)
    assert told["asdstream_latency_seconds_sum", "stage=queue"] == pytest.approx(0.04)
    assert told["asdstream_latency_seconds_sum", "stage=compute"] == pytest.approx(0.15)
    assert told["asdstream_latency_seconds_sum", "stage=total"] == pytest.approx(0.4)
    assert told["asdstream_latency_seconds_bucket", "le=0.3,stage=total"] == 0
    assert told["asdstream_latency_seconds_bucket", "le=0.5,stage=total"] == 1
    assert told["asdstream_anomaly_score", "channel=fan-1"] == pytest.approx(0.31)
    assert told["asdstream_anomaly_threshold", "channel=fan-1"] == pytest.approx(0.35)


def test_an_alarm_is_seen_as_long_as_it_stands_and_its_transitions_are_counted() -> None:
    metrics = metrics_of()
    raised = raised_alarm(severity=900)
    metrics.moved(AlarmEvent("0", Transition.RAISED, 1.0, raised))
    of_the_alarm = "channel=fan-1,kind=anomaly,priority=high"
    assert values(metrics)["asdstream_alarm_active", of_the_alarm] == 1
    metrics.moved(AlarmEvent("1", Transition.CLEARED, 2.0, replace(raised, active=False)))
    told = values(metrics)
    assert told["asdstream_alarm_active", of_the_alarm] == 0
    assert told["asdstream_alarm_transitions_total", "channel=fan-1,kind=anomaly,transition=raised"] == 1
    assert told["asdstream_alarm_transitions_total", "channel=fan-1,kind=anomaly,transition=cleared"] == 1


def test_an_alarm_that_grows_more_urgent_is_not_seen_twice() -> None:
    metrics = metrics_of()
    metrics.stands(raised_alarm(severity=100))
    metrics.stands(raised_alarm(severity=900))
    standing = {labels: value for (name, labels), value in values(metrics).items() if name == "asdstream_alarm_active"}
    assert standing == {"channel=fan-1,kind=anomaly,priority=high": 1}


def test_a_thread_that_stands_still_makes_the_daemon_unhealthy_and_is_named() -> None:
    client = TestClient(monitor_app(metrics_of(), lambda: READING))
    assert client.get("/healthz").json() == {"healthy": True, "standing_still": []}
    stuck = TestClient(monitor_app(metrics_of(), lambda: replace(READING, still=("judge",))))
    answer = stuck.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["standing_still"] == ["judge"]


def test_a_daemon_without_a_broker_is_not_ready_and_says_why() -> None:
    away = replace(READING, problems=("not connected to the broker at 10.0.0.1:1883 yet",))
    answer = TestClient(monitor_app(metrics_of(), lambda: away)).get("/readyz")
    assert answer.status_code == 503
    assert "10.0.0.1:1883" in answer.json()["problems"][0]
    assert TestClient(monitor_app(metrics_of(), lambda: READING)).get("/readyz").status_code == 200


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}])
def test_metrics_behind_a_token_are_for_those_who_send_it(sent: dict[str, str]) -> None:
    client = TestClient(monitor_app(metrics_of(), lambda: READING, token="open-sesame"))  # noqa: S106
    refused = client.get("/metrics", headers=sent)
    assert refused.status_code == 401
    assert "asdstream_windows" not in refused.text
    given = client.get("/metrics", headers={"Authorization": "Bearer open-sesame"})
    assert given.status_code == 200
    assert "asdstream_windows_total" in given.text


def test_the_monitor_serves_over_http_until_it_is_stopped() -> None:
    monitor = Monitor(metrics_of(), lambda: READING, "127.0.0.1", 0)
    address = f"{monitor.start()}readyz"
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                assert json.load(answer) == {"ready": True, "problems": []}
            break
        except urllib.error.URLError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    monitor.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=1)  # noqa: S310


def test_an_address_that_is_taken_costs_the_metrics_and_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        monitor = Monitor(metrics_of(), lambda: READING, "127.0.0.1", taken.getsockname()[1])
        assert monitor.start() is None
        monitor.stop()
    assert [line["event"] for line in logs] == ["metrics_not_served"]


def test_a_certificate_that_is_none_costs_the_metrics_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "nothing.pem").write_text("nothing")
    with capture_logs() as logs:
        files = (tmp_path / "nothing.pem", tmp_path / "nothing.pem")
        monitor = Monitor(metrics_of(), lambda: READING, "127.0.0.1", 0, files)
        assert monitor.start() is None
        monitor.stop()
    assert [line["problem"].split(":")[0] for line in logs] == ["metrics.cert_file and metrics.key_file"]


def test_what_goes_wrong_while_it_is_asked_is_logged_and_answered() -> None:
    def broken() -> NodeReading:
        raise RuntimeError("no reading")

    with capture_logs() as logs:
        answer = TestClient(monitor_app(metrics_of(), broken), raise_server_exceptions=False).get("/healthz")
    assert answer.status_code == 500
    assert [(line["event"], line["path"]) for line in logs] == [("metrics_request_failed", "/healthz")]
