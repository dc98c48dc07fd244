"""What may be asked of the daemon on `cmd/<verb>`, and the answer on `reply/<transaction>`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from ulid import ULID

from asdstream.errors import AsdstreamError
from asdstream.mqtt.payloads import SECONDS, Moment, Payload
from asdstream.mqtt.topics import TRANSACTION_LEVEL

MAX_COMMAND_BYTES = 16_384
"""The longest command that makes sense has a few hundred."""
SHORTEST_RECORDING_S = 10.0
LONGEST_RECORDING_S = 600.0
_TRANSACTION = rf"^{TRANSACTION_LEVEL}$"
_ACTOR = r"^[\w.@+'-]+( [\w.@+'-]+)*$"
CLIP_ID = r"^[0-9A-HJKMNP-TV-Z]{26}$"
"""A ULID."""
_RIGHT = {
    CLIP_ID: "should be a ULID, 26 of the characters 0-9 and A-Z",
    _TRANSACTION: "should be 1 to 64 of the characters A-Z, a-z, 0-9, - and _",
    _ACTOR: "should be a name of letters, digits, single spaces and . @ + ' - _",
}
Transaction = Annotated[str, Field(pattern=_TRANSACTION)]
"""Chosen by whoever asks, new with every command; a ULID or a UUID is right."""
Actor = Annotated[str, Field(min_length=1, max_length=64, pattern=_ACTOR)]


class CommandError(AsdstreamError):
    """A message that is no command; `transaction` is None where not even that can be read."""

    def __init__(self, sentence: str, transaction: str | None = None) -> None:
        super().__init__(sentence)
        self.transaction = transaction


class Args(BaseModel):
    """What a verb needs to know; unknown names are refused, and text is never taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class NoArgs(Args):
    """Nothing."""


class AlarmArgs(Args):
    """Which alarm."""

    alarm_id: str = Field(min_length=1, max_length=128, description="As in `alarm/<alarm_id>/state`.")


class ShelveArgs(AlarmArgs):
    """Which alarm to put aside, and for how long."""

    seconds: float = Field(
        gt=0.0, le=31_536_000.0, description="From when the daemon gets the command.", json_schema_extra=SECONDS
    )
    once: bool = Field(default=False, description="Whether it ends as soon as the alarm clears.")


class EnrollArgs(Args):
    """Of which machine the next sound is normal."""

    machine: str = Field(min_length=1, max_length=64, description="As in the configuration.")
    seconds: float = Field(
        ge=SHORTEST_RECORDING_S,
        le=LONGEST_RECORDING_S,
        description="So much of the sound that comes from now on.",
        json_schema_extra=SECONDS,
    )
    force: bool = Field(default=False, description="Whether to take it even where it does not seem to belong.")


class ClipArgs(Args):
    """Which sound."""

    clip: str = Field(pattern=CLIP_ID, description="As in the alarm.")
    part: Literal["alarm", "reference"] = Field(
        default="alarm", description="The sound around the raise, or the normal sound that it was compared with."
    )


VERBS: Mapping[str, type[Args]] = {
    "ack": AlarmArgs,
    "shelve": ShelveArgs,
    "unshelve": AlarmArgs,
    "reset": AlarmArgs,
    "out_of_service": AlarmArgs,
    "in_service": AlarmArgs,
    "alarms": NoArgs,
    "clip": ClipArgs,
    "enroll": EnrollArgs,
    "reload": NoArgs,
}
"""What each verb takes as `args`."""


class CommandPayload(BaseModel):
    """A command; `schema` may be left out."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, serialize_by_alias=True, allow_inf_nan=False
    )
    schema_name: Literal["asd.command/1"] = Field(
        default="asd.command/1", alias="schema", description="Name and version of this schema."
    )
    transaction: Transaction = Field(description="Names the command; the answer comes on `reply/<transaction>`.")
    actor: Actor = Field(description="Who asks; kept with what is changed.")
    args: dict[str, Any] = Field(default_factory=dict, description="What the verb needs to know.")

    def encode(self) -> bytes:
        """As it goes to the broker."""
        return self.model_dump_json().encode()


class ReplyPayload(Payload):
    """The answer to a command: done, refused because it makes no sense as things stand, or failed."""

    schema_name: Literal["asd.reply/1"] = Field(
        default="asd.reply/1", alias="schema", description="Name and version of this schema."
    )
    ts: Moment = Field(description="When the answer was found.")
    transaction: str = Field(description="As in the command.")
    status: Literal["ok", "refused", "failed"] = Field(
        description="`refused`: nothing has changed; `failed`: the error says whether anything may have."
    )
    error: str | None = Field(description="One sentence on why it is not `ok`.")
    data: dict[str, Any] | None = Field(description="What has come of it, as the verb says.")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was read: well formed, and with the arguments that its verb takes."""

    verb: str
    transaction: str
    actor: str
    args: Args


def write_command(verb: str, actor: str, args: dict[str, Any]) -> tuple[Command, bytes]:
    """A new command as the daemon will read it, and as it is sent.

    Raises CommandError for what no daemon would take, so that it is never sent.
    """
    try:
        payload = CommandPayload(transaction=str(ULID()), actor=actor, args=args).encode()
    except ValidationError:
        raise CommandError(f'the actor {_RIGHT[_ACTOR]}, not "{actor}"') from None
    return read_command(verb, payload), payload


def read_transaction(payload: bytes) -> tuple[dict[str, Any], str]:
    """The JSON object in `payload` and the transaction that it names; raises CommandError where there is none."""
    try:
        content = from_json(payload, allow_inf_nan=False)
    except ValueError:
        raise CommandError("a command should be a JSON object in UTF-8") from None
    if not isinstance(content, dict):
        raise CommandError("a command should be a JSON object")
    transaction = content.get("transaction")
    if not isinstance(transaction, str) or re.fullmatch(_TRANSACTION, transaction) is None:
        raise CommandError(f"the transaction of a command {_RIGHT[_TRANSACTION]}")
    return content, transaction


def read_command(verb: str, payload: bytes) -> Command:
    """The command that came on `cmd/<verb>`; raises CommandError, in one sentence, where it is none."""
    content, transaction = read_transaction(payload)
    try:
        envelope = CommandPayload.model_validate(content)
    except ValidationError as error:
        raise CommandError(_sentence(error), transaction) from None
    takes = VERBS.get(verb)
    if takes is None:
        raise CommandError(f"there is no such command; the verbs are {', '.join(VERBS)}", transaction)
    try:
        args = takes.model_validate(envelope.args)
    except ValidationError as error:
        raise CommandError(_sentence(error, "args"), transaction) from None
    return Command(verb, transaction, envelope.actor, args)


def _sentence(error: ValidationError, *where: str) -> str:
    """The first problem; names that came from outside are cut short and stripped of control characters."""
    first = error.errors(include_url=False)[0]
    name = json.dumps(".".join([*where, *(str(part)[:40] for part in first["loc"])]), ensure_ascii=True).strip('"')
    match first["type"]:
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            return f"{name} is unknown"
        case "string_pattern_mismatch":
            return f"{name} {_RIGHT[first['ctx']['pattern']]}"
        case _:
            return f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}"
