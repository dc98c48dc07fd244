"""The dashboard that the demo serves."""

import json
import re
from typing import Any
from urllib.request import urlopen

import pytest
from mosquitto_broker import free_port

from asdstream.demo.page import served_page
from asdstream.mqtt.broker import Broker
from asdstream.web import packages


def fleet(address: str) -> Any:
    with urlopen(f"{address}api/fleet", timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def test_where_the_usual_port_is_taken_the_page_is_served_on_another() -> None:
    broker = Broker("127.0.0.1", free_port())
    with served_page(broker) as one, served_page(broker) as two:
        assert one != two
        for address in (one, two):
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address), "nobody else may see it"
            assert fleet(address)["broker"]["connected"] is False
    with pytest.raises(OSError, match="refused"):
        fleet(two)


def test_where_the_dashboard_is_not_installed_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    opened = served_page(Broker("127.0.0.1", free_port()))
    with pytest.raises(packages.NotInstalledError, match=r"asdstream\[dashboard\].*--no-dashboard"):
        opened.__enter__()
