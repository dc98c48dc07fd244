"""The contract as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

import re
from collections.abc import Sequence
from typing import Any

from asdstream.mqtt.contract.json_schemas import Schema, shared_schemas
from asdstream.mqtt.contract.messages import LEVELS, Message
from asdstream.mqtt.topics import ROOT

Document = dict[str, Any]
_BINDING_VERSION = "0.2.0"
_VERSION = ROOT.rpartition("/v")[2]
"""Of the contract, which the topics carry, not of the program."""
_SCHEMAS = "#/components/schemas/"


def asyncapi(messages: Sequence[Message]) -> Document:
    """The document: one channel, one message and one operation for each of `messages`, seen from the daemon."""
    schemas = shared_schemas(messages, _SCHEMAS + "{model}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "asdstream",
            "version": _VERSION,
            "description": "Listens to machines and says when one sounds wrong. Seen from the daemon: it sends what it "
            "has to tell and receives sound and commands.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "plain": {"host": "127.0.0.1:1883", "protocol": "mqtt", "description": "A broker on the same box."},
            "secure": {
                "host": "broker.example:8883",
                "protocol": "secure-mqtt",
                "description": "MQTT 5 or 3.1.1 over TLS; by user name and password, by client certificate, or both.",
                "security": [{"$ref": f"#/components/securitySchemes/{scheme}"} for scheme in ("password", "x509")],
            },
        },
        "channels": {message.name: _channel(message) for message in messages},
        "operations": {_operation_name(message): _operation(message) for message in messages},
        "components": {
            "messages": {message.name: _message(message) for message in messages},
            "schemas": {name: _kept_beside_references(schema) for name, schema in schemas.items()},
            "parameters": {level: {"description": meaning} for level, meaning in LEVELS.items()},
            "securitySchemes": {"password": {"type": "userPassword"}, "x509": {"type": "X509"}},
        },
    }


def address(message: Message) -> str:
    """The whole topic of `message`, with the levels that vary in braces."""
    return f"{ROOT}/{{site}}/{{node}}/{message.topic}"


def _channel(message: Message) -> Document:
    levels = re.findall(r"\{(\w+)\}", address(message))
    return {
        "address": address(message),
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"}},
        "parameters": {level: {"$ref": f"#/components/parameters/{level}"} for level in levels},
    }


def _operation_name(message: Message) -> str:
    return ("send-" if message.direction == "out" else "receive-") + message.name


def _operation(message: Message) -> Document:
    operation: Document = {
        "action": "send" if message.direction == "out" else "receive",
        "channel": {"$ref": f"#/channels/{message.name}"},
        "summary": message.purpose,
        "messages": [{"$ref": f"#/channels/{message.name}/messages/{message.name}"}],
        "bindings": {"mqtt": {"qos": message.qos, "retain": message.retain, "bindingVersion": _BINDING_VERSION}},
    }
    if message.answered_by is not None:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{message.answered_by}"}}
    return operation


def _message(message: Message) -> Document:
    document: Document = {"name": message.name, "contentType": message.content_type, "summary": message.purpose}
    if message.model is not None:
        document["payload"] = {"$ref": _SCHEMAS + message.model.__name__}
    return document


def _kept_beside_references(schema: Schema) -> Schema:
    """AsyncAPI's schemas are those of draft 7, where whatever stands beside a `$ref` is not seen."""
    result: Schema = {}
    for key, value in schema.items():
        if isinstance(value, dict):
            result[key] = _kept_beside_references(value)
        elif isinstance(value, list):
            result[key] = [_kept_beside_references(item) if isinstance(item, dict) else item for item in value]
        else:
            result[key] = value
    if "$ref" in result and len(result) > 1:
        result["allOf"] = [{"$ref": result.pop("$ref")}]
    return result
