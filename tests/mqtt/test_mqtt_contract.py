"""The documents of the contract: complete, true to the topics that are used, and kept up to date."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from asdstream.mqtt.commands import VERBS, read_command
from asdstream.mqtt.contract.asyncapi import address, asyncapi
from asdstream.mqtt.contract.documents import documents, write_documents
from asdstream.mqtt.contract.json_schemas import message_schema, shared_schemas
from asdstream.mqtt.contract.messages import MESSAGES, Message
from asdstream.mqtt.contract.reference import reference
from asdstream.mqtt.payloads import PAYLOADS, UNIT, Payload
from asdstream.mqtt.topics import Topics

DOCS = Path(__file__).resolve().parents[2] / "docs" / "mqtt"
REMEDY = "run: python -m asdstream.mqtt.contract docs/mqtt"
UNITS = {"_s": "s", "seconds": "s", "_ms": "ms", "_dbfs": "dB of full scale"}


def message(name: str) -> Message:
    return next(message for message in MESSAGES if message.name == name)


def fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model, schema in shared_schemas(MESSAGES, "#{model}").items():
        for name, field in schema.get("properties", {}).items():
            yield model, name, field


@pytest.mark.parametrize("path", sorted(documents()))
def test_the_documents_that_ship_are_those_of_the_models(path: str) -> None:
    shipped = DOCS / path
    assert shipped.is_file(), REMEDY
    assert shipped.read_text() == documents()[path], REMEDY


def test_no_schema_ships_that_no_message_has() -> None:
    assert {f"schemas/{schema.name}" for schema in (DOCS / "schemas").iterdir()} <= set(documents()), REMEDY


def test_writing_the_documents_removes_a_schema_that_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "forgotten.json").write_text("{}")
    write_documents(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(documents())


def test_every_field_is_described() -> None:
    assert [f"{model}.{name}" for model, name, field in fields() if not field.get("description")] == []


def test_every_quantity_has_the_unit_that_its_name_says() -> None:
    for model, name, field in fields():
        said = next((unit for ending, unit in UNITS.items() if name.endswith(ending)), None)
        assert field.get(UNIT) == said, f"{model}.{name}"


def test_every_payload_of_ours_is_in_the_contract() -> None:
    assert set(PAYLOADS) <= {message.model for message in MESSAGES}


def test_topics_are_those_that_the_daemon_uses() -> None:
    topics = Topics("plant", "line-1")
    used = {
        "status": topics.status,
        "info": topics.info,
        "channel-audio": topics.audio("pump"),
        "channel-score": topics.score("pump"),
        "channel-health": topics.health("pump"),
        "alarm-state": topics.alarm_state("pump.anomaly"),
        "alarm-event": topics.alarm_event,
        "reply": topics.reply("T1"),
    } | {f"cmd-{verb.replace('_', '-')}": topics.command(verb) for verb in VERBS}
    assert set(used) == {message.name for message in MESSAGES}
    levels = {"transaction": "T1", "site": "plant", "node": "line-1", "channel": "pump", "alarm_id": "pump.anomaly"}
    assert {name: address(message(name)).format(**levels) for name in used} == used


def test_every_reference_within_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi(MESSAGES)
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) > 30
    for reference_ in references:
        place: Any = document
        for level in reference_.split("/"):
            place = place[level]


def test_the_asyncapi_document_tells_who_sends_what_and_how() -> None:
    document = asyncapi(MESSAGES)
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["channel-score"]["address"] == "asd/v1/{site}/{node}/channel/{channel}/score"
    assert set(document["channels"]["channel-score"]["parameters"]) == {"site", "node", "channel"}
    assert document["operations"]["send-alarm-state"]["bindings"]["mqtt"] == {
        "qos": 1,
        "retain": True,
        "bindingVersion": "0.2.0",
    }
    assert document["operations"]["receive-channel-audio"]["action"] == "receive"
    assert "payload" not in document["components"]["messages"]["channel-audio"]


def test_a_command_is_answered_by_the_reply() -> None:
    operation = asyncapi(MESSAGES)["operations"]["receive-cmd-shelve"]
    assert operation["reply"] == {"channel": {"$ref": "#/channels/reply"}}


def test_a_command_tells_what_its_verb_takes() -> None:
    shelve = message_schema(message("cmd-shelve"))
    assert shelve["required"] == ["transaction", "actor", "args"]
    args = shelve["$defs"]["ShelveArgs"]
    assert args["required"] == ["alarm_id", "seconds"]
    assert args["additionalProperties"] is False
    assert message_schema(message("cmd-alarms"))["required"] == ["transaction", "actor"]


@pytest.mark.parametrize("verb", VERBS)
def test_what_the_contract_calls_a_command_is_taken_for_one(verb: str) -> None:
    """The models of the contract are made for it; those that read what comes in are others."""
    arguments = {"alarm_id": "pump.anomaly", "seconds": 60.0, "machine": "pump", "clip": "0" * 26}
    known = VERBS[verb].model_fields
    args = {name: value for name, value in arguments.items() if name in known}
    model = message(f"cmd-{verb.replace('_', '-')}").model
    assert model is not None
    sent = model.model_validate({"transaction": "T1", "actor": "ann", "args": args}).model_dump_json(by_alias=True)
    assert read_command(verb, sent.encode()).args == VERBS[verb].model_validate(args)


def test_every_message_has_a_purpose() -> None:
    assert [message.name for message in MESSAGES if not message.purpose] == []


def test_a_description_beside_a_reference_is_not_lost_on_readers_of_draft_7() -> None:
    alarm = asyncapi(MESSAGES)["components"]["schemas"]["EventPayload"]["properties"]["alarm"]
    assert alarm == {
        "allOf": [{"$ref": "#/components/schemas/AlarmPayload"}],
        "description": "The alarm as it stood after that.",
    }


def test_a_field_with_a_default_is_always_sent_but_may_be_left_out_of_what_is_received() -> None:
    class Order(Payload):
        """An order."""

        actor: str = Field(description="Who orders.")
        force: bool = Field(default=False, description="Whether to insist.")

    order = Message("order", "order", "in", 1, False, "An order.", Order)
    assert message_schema(order)["required"] == ["actor"]
    assert message_schema(replace(order, direction="out"))["required"] == ["actor", "force"]
    assert "| `force` | boolean |  | Whether to insist. May be left out. |" in reference([order])


def test_two_models_of_one_name_are_refused() -> None:
    def model() -> type[BaseModel]:
        class Twin(BaseModel):
            field: str

        return Twin

    twins = [Message(name, name, "out", 0, False, "", model()) for name in ("one", "other")]
    with pytest.raises(ValueError, match="models need names of their own, not Twin twice"):
        asyncapi(twins)


def test_sound_has_no_json_schema() -> None:
    with pytest.raises(ValueError, match="audio/wav"):
        message_schema(message("channel-audio"))


def test_every_link_of_the_reference_leads_to_a_heading_or_a_file() -> None:
    page = documents()["README.md"]
    anchors = {
        re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^## (.*)$", page, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert (DOCS / target).exists(), target
