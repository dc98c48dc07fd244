"""JSON Schemas of the payloads."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

from asdstream.mqtt.contract.messages import Direction, Message

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def message_schema(message: Message) -> Schema:
    """JSON Schema, 2020-12, of the payload of `message`. Raises ValueError where the payload is no JSON."""
    if message.model is None:
        raise ValueError(f'the payload of "{message.name}" is {message.content_type} and has no JSON Schema')
    schema = message.model.model_json_schema(mode=_mode(message.direction))
    return {"$schema": DIALECT, **schema, "title": message.name}


def shared_schemas(messages: Iterable[Message], ref_template: str) -> dict[str, Schema]:
    """The schemas of all models that appear in `messages`, by the model's name; they refer to each other.

    Raises ValueError where two models of one name would stand for each other.
    """
    wanted = {message.model: _mode(message.direction) for message in messages if message.model is not None}
    names = Counter(model.__name__ for model in wanted)
    if names.total() > len(names):
        raise ValueError(f"models need names of their own, not {names.most_common(1)[0][0]} twice")
    _, schema = models_json_schema(list(wanted.items()), ref_template=ref_template)
    found: dict[str, Schema] = schema["$defs"]
    return {name: found[name] for name in sorted(found)}


def _mode(direction: Direction) -> Literal["serialization", "validation"]:
    """What we send always has every field; what we take may leave out those with a default."""
    return "serialization" if direction == "out" else "validation"
