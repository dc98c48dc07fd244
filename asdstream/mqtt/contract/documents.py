"""All documents of the contract as files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asdstream.atomic import write_text
from asdstream.mqtt.contract.asyncapi import asyncapi
from asdstream.mqtt.contract.json_schemas import message_schema
from asdstream.mqtt.contract.messages import MESSAGES, Message
from asdstream.mqtt.contract.reference import reference


def documents(messages: Sequence[Message] = MESSAGES) -> dict[str, str]:
    """The text of every document, by its path below their folder."""
    found = {"README.md": reference(messages), "asyncapi.json": _json(asyncapi(messages))}
    for message in messages:
        if message.model is not None:
            found[f"schemas/{message.name}.json"] = _json(message_schema(message))
    return found


def write_documents(folder: Path) -> None:
    """Write them all below `folder`, and remove schemas of messages that are no more."""
    texts = documents()
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, text)
    for schema in (folder / "schemas").glob("*.json"):
        if f"schemas/{schema.name}" not in texts:
            schema.unlink()


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
