"""The dashboard and the alert rules that ship ask for metrics that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from alarm_state import raised_alarm
from prometheus_client.parser import text_string_to_metric_families

from asdstream.alarms.event import AlarmEvent, Transition
from asdstream.engine.embedding import WorkTimes
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.web.metrics import Metrics
from asdstream.web.readings import ChannelReading, NodeReading

GRAFANA = Path(__file__).resolve().parents[2] / "conf" / "grafana"
NAME = re.compile(r"\b(asdstream_[a-z_]+|process_[a-z_]+)\b")
LABELS = re.compile(r"\b((?:asdstream|process)_[a-z_]+)\{([^}]*)\}")


def dashboard_queries() -> Iterator[str]:
    """Every expression of the dashboard's panels and variables."""
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def alert_rules() -> list[dict[str, object]]:
    """Every rule, of all groups."""
    groups = yaml.safe_load((GRAFANA / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """Names of the samples of a daemon that knows everything, with their labels and those that Prometheus adds."""
    channel = ChannelReading("fan-1", "fan", 1.0, 1, 1, 1, 1, 1, 1, 1, 1.0, -30.0)
    reading = NodeReading([channel], (), (), 1, 1, 1, True, 1, 1, 1, 1, 1)
    metrics = Metrics("1.0", ("demo", "ab" * 32), lambda: reading)
    metrics.scored(
        ScoredWindow("fan-1", "fan", 0, 0.0, 10.0, 10.0, 0.1, 0.1, 0.2, (), WorkTimes(1.0, 2.0, 3.0), published=11.0)
    )
    metrics.moved(AlarmEvent("0", Transition.RAISED, 1.0, raised_alarm()))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return found


def test_the_dashboard_asks_for_metrics_that_there_are(series: dict[str, set[str]]) -> None:
    asked = {name for query in dashboard_queries() for name in NAME.findall(query)}
    assert len(asked) > 15
    assert asked <= series.keys()


def test_the_alert_rules_ask_for_metrics_that_there_are(series: dict[str, set[str]]) -> None:
    asked = {name for rule in alert_rules() for name in NAME.findall(f"{rule['expr']} {rule['annotations']}")}
    assert len(asked) > 7
    assert asked <= series.keys()


def test_every_label_that_is_asked_for_is_one_of_that_metric(series: dict[str, set[str]]) -> None:
    queries = [*dashboard_queries(), *(str(rule["expr"]) for rule in alert_rules())]
    asked = [
        (name, re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside)) for q in queries for name, inside in LABELS.findall(q)
    ]
    assert len(asked) > 15
    for name, labels in asked:
        assert set(labels) <= series[name], name


def test_every_alert_says_how_urgent_it_is_and_what_is_wrong() -> None:
    for rule in alert_rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}  # type: ignore[index]
        assert str(rule["annotations"]["summary"]).endswith((".", "?"))  # type: ignore[index]
