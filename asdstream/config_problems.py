"""What is wrong with a configuration, said so that a person can mend it: line, key, what would be right."""

import difflib
import json
import re
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from asdstream.toml_lines import KeyPath, key_lines

_LISTED_PROBLEMS = 20
_SHOWN_CHARACTERS = 60
_EXPECTED = {
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "bool_type": "should be true or false",
    "string_type": "should be text in quotes",
    "string_too_short": "should be text of at least {min_length} characters",
    "string_too_long": "should be text of at most {max_length} characters",
    "path_type": "should be a path in quotes",
    "is_instance_of": "should be a path in quotes",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "tuple_type": "should be a list",
    "too_short": "should have at least {min_length} element",
    "greater_than": "should be greater than {gt}",
    "greater_than_equal": "should be at least {ge}",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be at most {le}",
}


def problem(sentence: str, *at: str | int, **values: object) -> PydanticCustomError:
    """For a validator to raise: a problem at the key `at`, counted from what the validator looks at."""
    return PydanticCustomError("config", "{sentence}", {"sentence": sentence.format(**values), "at": at})


def syntax_problem(error: tomllib.TOMLDecodeError, text: str, path: Path) -> str:
    """What is wrong with `text`, which is not TOML."""
    found = re.fullmatch(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
    if found is None:
        return f"{path}: not TOML: {error}"
    line = int(found[2]) if found[2] else max(1, len(text.splitlines()))
    return f"{path}:{line}: not TOML: {found[1][:1].lower()}{found[1][1:]}"


def problems_by_line(
    error: ValidationError,
    root: type[BaseModel],
    *,
    data: Mapping[str, Any],
    text: str,
    path: Path,
    patterns: Mapping[str, str],
) -> str:
    """One line per problem that `root` found in `data`, which was read from `text` at `path`.

    `patterns` says in words what a regular expression asks for.
    """
    lines = key_lines(text)
    found: list[tuple[int, str]] = []
    for detail in error.errors(include_url=False):
        at = _path_in_file(detail, data)
        line = _line_of(at, lines)
        found.append((line, f"{path}:{line}: {_dotted(at)}: {_sentence(detail, at, root, data, patterns)}"))
    found.sort(key=lambda entry: entry[0])
    shown = [sentence for _, sentence in found[:_LISTED_PROBLEMS]]
    if len(found) > _LISTED_PROBLEMS:
        shown.append(f"{path}: and {len(found) - _LISTED_PROBLEMS} more")
    return "\n".join(shown)


def _path_in_file(detail: ErrorDetails, data: Any) -> KeyPath:
    """Pydantic's location without the tags of unions, which do not stand in the file."""
    at: list[str | int] = []
    for part in (*detail["loc"], *detail.get("ctx", {}).get("at", ())):
        if isinstance(data, Mapping):
            if part not in data and data.get("kind") == part:
                continue
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif isinstance(part, int):
            continue  # the only element of what may also be written as a list
        at.append(part)
    return tuple(at)


def _line_of(at: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    for length in range(len(at), 0, -1):
        if at[:length] in lines:
            return lines[at[:length]]
    return 1


def _dotted(at: KeyPath) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def _sentence(detail: ErrorDetails, at: KeyPath, root: type[BaseModel], data: Any, patterns: Mapping[str, str]) -> str:
    kind, facts = detail["type"], detail.get("ctx", {})
    match kind:
        case "config":
            return detail["msg"]
        case "extra_forbidden":
            return _unknown_key(str(at[-1]), _known_keys(_models_at(at[:-1], root, data)))
        case "missing":
            return _missing_key(str(at[-1]), _models_at(at[:-1], root, data))
        case "union_tag_not_found":
            return f"needs a kind, one of {_kinds(at, root, data)}"
        case "union_tag_invalid":
            return f"kind should be one of {_kinds(at, root, data)}, not {_shown(facts['tag'])}"
        case "literal_error":
            expected = "should be " + facts["expected"].replace("'", '"')
        case "string_pattern_mismatch":
            expected = patterns.get(facts["pattern"], f"should match {facts['pattern']}")
        case _:
            fallback = detail["msg"].replace("Input should", "should").replace("{", "{{").replace("}", "}}")
            expected = _EXPECTED.get(kind, fallback).format(**facts)
    return f"{expected}, not {_shown(detail['input'])}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _unknown_key(key: str, known: list[str]) -> str:
    if "password" in key.lower() or "secret" in key.lower():
        return "unknown key; secrets do not belong here: put it in a file and name that with password_file"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7) or [name for name in known if key in name]
    return f"unknown key; did you mean {close[0]}?" if close else f"unknown key; known here: {', '.join(known)}"


def _missing_key(key: str, models: list[type[BaseModel]]) -> str:
    for model in models:
        if key in model.model_fields and model.model_fields[key].description:
            return f"is missing: {model.model_fields[key].description}"
    return "is missing"


def _known_keys(models: list[type[BaseModel]]) -> list[str]:
    return [name for model in models for name in model.model_fields]


def _kinds(at: KeyPath, root: type[BaseModel], data: Any) -> str:
    """The kinds to choose from for the table at `at`, whose own kind is wrong or absent."""
    parents = _models_at(at[:-1], root, data)
    choices = [inner for model in parents for inner in _models_in(model.model_fields[str(at[-1])].annotation)]
    return _listed(kind for kind in map(_kind_of, choices) if kind is not None)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _models_at(at: KeyPath, root: type[BaseModel], data: Any) -> list[type[BaseModel]]:
    """The models that the table at `at` was checked against; one, where its kind is known."""
    models = [root]
    for part in at:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
            continue
        data = data.get(part) if isinstance(data, Mapping) else None
        models = [
            inner
            for model in models
            if part in model.model_fields
            for inner in _models_in(model.model_fields[part].annotation)
        ]
        if isinstance(data, Mapping) and len(models) > 1:
            models = [model for model in models if _kind_of(model) == data.get("kind")]
    return models


def _kind_of(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return str(typing.get_args(field.annotation)[0]) if field is not None else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a type annotation mentions, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = (argument for argument in typing.get_args(annotation) if argument not in (NoneType, ...))
    return [model for argument in inner for model in _models_in(argument)]
