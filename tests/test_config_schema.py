"""The JSON Schema that editors use is the one of the code."""

import json
from pathlib import Path

from asdstream import config

SCHEMA = Path(__file__).resolve().parents[1] / "conf" / "asdstream.schema.json"


def test_the_schema_that_ships_is_that_of_the_configuration() -> None:
    assert json.loads(SCHEMA.read_text()) == config.json_schema(), (
        "write conf/asdstream.schema.json anew from asdstream.config.json_schema()"
    )
