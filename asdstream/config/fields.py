"""What the tables of the file are made of: paths against its folder, names that can stand in a topic."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

from asdstream.config_problems import problem
from asdstream.mqtt.topics import LEVEL

CREDENTIALS_NAME = "asdstream"
"""Under which the unit loads the folder of secrets."""
_TEXT_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
_TOPIC_LEVEL = rf"^{LEVEL}$"
_NAME = r"^[A-Za-z0-9_-]{1,64}$"
_DISCOVERY_PREFIX = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}$"
_DEVICE = r"^(auto|cpu|cuda|cuda:\d{1,2})$"
PATTERNS = {
    _TOPIC_LEVEL: "should be 1 to 64 of the characters a-z, 0-9, - and _",
    _NAME: "should be 1 to 64 of the characters A-Z, a-z, 0-9, - and _",
    _DISCOVERY_PREFIX: 'should be a topic like "homeassistant", of the characters A-Z, a-z, 0-9, - and _',
    _DEVICE: 'should be "auto", "cpu", "cuda" or "cuda:<number>"',
}
"""What each of them asks for, in words."""


def _folder(info: ValidationInfo) -> Path:
    context = info.context if isinstance(info.context, dict) else {}
    return Path(context.get("folder", "."))


def resolved(value: Path, info: ValidationInfo) -> Path:
    """Against the folder of the file."""
    try:
        return _folder(info) / value.expanduser()
    except RuntimeError:
        raise problem("{path}: there is no such user on this box", path=value) from None


@contextmanager
def looked_at(path: Path) -> Iterator[None]:
    """A path at which this user may not even look is a problem at its key."""
    try:
        yield
    except OSError as error:
        raise problem("{path} cannot be looked at: {reason}", path=path, reason=error.strerror) from None


def _existing(value: Path, info: ValidationInfo) -> Path:
    path = resolved(value, info)
    with looked_at(path):
        is_there = path.exists()
    if not is_there:
        raise problem("{path} does not exist; name an existing file or folder", path=path)
    return path


def _credential(value: Path, info: ValidationInfo) -> Path:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    candidates = [resolved(value, info)]
    if credentials and not value.is_absolute():
        # A whole folder that systemd loads under one name puts that name before each file's.
        candidates[:0] = [Path(credentials) / value, Path(credentials) / f"{CREDENTIALS_NAME}_{value}"]
    for candidate in candidates:
        with looked_at(candidate):
            if candidate.is_file():
                return candidate
    raise problem("no file at {places}", places=" or ".join(str(candidate) for candidate in candidates))


def _text_to_path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


def _one_or_many(value: object) -> object:
    if isinstance(value, list):
        return tuple(_text_to_path(item) for item in value)
    return (_text_to_path(value),) if isinstance(value, str) and value else value


def list_to_tuple(value: object) -> object:
    """TOML has lists only; what a configuration holds does not change."""
    return tuple(value) if isinstance(value, list) else value


TopicLevel = Annotated[str, Field(pattern=_TOPIC_LEVEL)]
"""One level of an MQTT topic: no slash, no wildcard, no space."""
Name = Annotated[str, Field(pattern=_NAME)]
AnyPath = Annotated[Path, AfterValidator(resolved), BeforeValidator(_text_to_path), _TEXT_SCHEMA]
ExistingPath = Annotated[Path, AfterValidator(_existing), BeforeValidator(_text_to_path), _TEXT_SCHEMA]
CredentialFile = Annotated[Path, AfterValidator(_credential), BeforeValidator(_text_to_path), _TEXT_SCHEMA]
ExistingPaths = Annotated[
    tuple[Annotated[Path, AfterValidator(_existing)], ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]
DiscoveryPrefix = Annotated[str, Field(pattern=_DISCOVERY_PREFIX)]
DeviceName = Annotated[str, Field(pattern=_DEVICE)]


class Section(BaseModel):
    """A table of the file: unknown keys are refused, text is never taken for a number, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False)


def certificate_with_key(cert_file: Path | None, key_file: Path | None, why: str) -> None:
    """Refuse one of both without the other, saying `why`."""
    if (cert_file is None) != (key_file is None):
        given, absent = ("cert_file", "key_file") if key_file is None else ("key_file", "cert_file")
        raise problem(f"needs {{absent}} beside it: {why}", given, absent=absent)
