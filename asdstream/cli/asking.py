"""What the commands that ask a running daemon have in common."""

import getpass
import os
from typing import Annotated, Any

import typer

from asdstream.config import Config
from asdstream.errors import AsdstreamError
from asdstream.mqtt.command_line import CommandLine
from asdstream.mqtt.topics import Topics
from asdstream.wiring import broker_of

ANSWER_WITHIN_S = 5.0

ActorOption = Annotated[
    str | None,
    typer.Option("--actor", metavar="NAME", help="Who does this; without it the login name.", show_default=False),
]


class RefusedError(AsdstreamError):
    """The daemon did not do what it was asked; the sentence is its own."""


def actor_of(named: str | None) -> str:
    """Who acts: the one that is named, else whoever has logged in, by number where nobody has given them a name."""
    if named is not None:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def ask_daemon(
    settings: Config, verb: str, actor: str, args: dict[str, Any], within_s: float = ANSWER_WITHIN_S
) -> dict[str, Any]:
    """What has come of a command to the running daemon. Raises RefusedError, and MqttError where there is none."""
    topics = Topics(settings.site.name, settings.site.node)
    with CommandLine(broker_of(settings.mqtt), topics) as line:
        reply = line.ask(verb, actor, args, within_s)
    if reply.status != "ok":
        raise RefusedError(f"{reply.status}: {reply.error}")
    return reply.data or {}
