"""The contract as tables for people, in Markdown."""

import re
from collections.abc import Mapping, Sequence

from asdstream.mqtt.contract.asyncapi import address
from asdstream.mqtt.contract.json_schemas import Schema, shared_schemas
from asdstream.mqtt.contract.messages import LEVELS, Message
from asdstream.mqtt.payloads import UNIT
from asdstream.mqtt.topics import ROOT

_REFERENCE = "#"
_BOUNDS = {
    "exclusiveMinimum": "more than {:g}",
    "minimum": "at least {:g}",
    "maximum": "at most {:.10g}",
    "maxLength": "at most {} characters",
    "pattern": "matching `{}`",
}
_INTRODUCTION = f"""# MQTT reference

Made from the models in the code by `python -m asdstream.mqtt.contract docs/mqtt`; a test keeps it so. Beside this page
stand the [AsyncAPI 3.0 document](asyncapi.json) and a JSON Schema of every payload in [schemas](schemas).

Every topic lies below `{ROOT}/<site>/<node>/`. *Out* is from the daemon, *in* is to it. Payloads are JSON, audio aside;
times are UTC in ISO 8601 with milliseconds; numbers that are not finite are null. `schema` names the form of a payload
and its version: fields may be added under the same version, so ignore those that you do not know; none is changed or
taken away.
"""


def reference(messages: Sequence[Message]) -> str:
    """The page: a table of topics, then one table of fields for each payload and for each part that payloads share."""
    schemas = shared_schemas(messages, _REFERENCE + "{model}")
    spoken_for = {message.model.__name__: message for message in reversed(messages) if message.model is not None}
    links = {
        name: _link(_title(name), spoken_for[name].topic if name in spoken_for else _title(name)) for name in schemas
    }
    sections = [_INTRODUCTION, _topics(messages), _levels(messages)]
    for message in messages:
        sections.append(f"## `{message.topic}`\n")
        if message.model is None:
            sections.append(f"{message.purpose}\n")
        else:
            link = f"[JSON Schema](schemas/{message.name}.json)"
            sections.append(_described(schemas[message.model.__name__], links, link))
    for name, schema in schemas.items():
        if name not in spoken_for:
            sections.append(f"## {_title(name)}\n")
            sections.append(_described(schema, links))
    return "\n".join(sections)


def _topics(messages: Sequence[Message]) -> str:
    rows = [
        f"| `{message.topic}` | {message.direction} | {message.qos} | {'yes' if message.retain else 'no'} "
        f"| {message.purpose} |"
        for message in messages
    ]
    return "\n".join(["| topic | direction | QoS | retained | |", "|---|---|---|---|---|", *rows, ""])


def _levels(messages: Sequence[Message]) -> str:
    addresses = " ".join(address(message) for message in messages)
    rows = [f"| `{level}` | {meaning} |" for level, meaning in LEVELS.items() if f"{{{level}}}" in addresses]
    return "\n".join(["| level | |", "|---|---|", *rows, ""])


def _described(schema: Schema, links: Mapping[str, str], more: str = "") -> str:
    """What a payload is, and its fields."""
    required = schema.get("required", [])
    rows = []
    for name, field in schema.get("properties", {}).items():
        meaning = field.get("description", "")
        if name not in required:
            meaning += " May be left out."
        rows.append(f"| `{name}` | {_type(field, links)} | {field.get(UNIT, '')} | {meaning} |")
    table = ["| field | type | unit | |", "|---|---|---|---|", *rows, ""] if rows else []
    about = " ".join(part for part in (" ".join(schema.get("description", "").split()), more) if part)
    return "\n".join([about, "", *table])


def _type(field: Schema, links: Mapping[str, str]) -> str:
    """In a few words, such as `number or null`."""
    if "$ref" in field:
        return links[str(field["$ref"]).removeprefix(_REFERENCE)]
    if "anyOf" in field:
        return " or ".join(_type(choice, links) for choice in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), links)}"
    return _plain_type(field)


def _plain_type(field: Schema) -> str:
    """As `_type`, of what holds nothing else."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "date-time":
        return "time"
    bounds = (words.format(field[key]) for key, words in _BOUNDS.items() if key in field)
    return ", ".join([str(field.get("type", "any")), *bounds])


def _title(model: str) -> str:
    """`ChannelInfo` as `channel info`; what names only the language of the code is left out."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model.removesuffix("Payload"))
    return words.strip()


def _link(text: str, heading: str) -> str:
    """A link to the section of `heading`, whose anchor is made as GitHub makes it."""
    return f"[{text}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"
