"""Options that several commands share, so that they are spelled and explained alike."""

from pathlib import Path
from typing import Annotated

import typer

from asdstream import config
from asdstream.config import ChannelSection, Config, ConfigError

PLACES = (Path("asdstream.toml"), Path("/etc/asdstream/asdstream.toml"))
"""Where a configuration is looked for when none is named."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"Configuration; without it {PLACES[0]} here, then {PLACES[1]}.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def config_path(named: Path | None) -> Path:
    """The configuration file to use. Raises ConfigError where none is named and none is found."""
    path = named if named is not None else found_config()
    if path is None:
        raise ConfigError(f"no configuration: neither {PLACES[0]} nor {PLACES[1]} exists; name one with -c FILE")
    return path


def found_config() -> Path | None:
    """The configuration where one is looked for. Raises ConfigError where this user may not even look."""
    for place in PLACES:
        try:
            if place.is_file():
                return place
        except OSError as error:
            raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
    return None


def load_config(named: Path | None) -> Config:
    """The checked configuration. Raises ConfigError, one line per problem."""
    return config.load(config_path(named))


def channel_of(settings: Config, machine: str, named_by: str = "") -> ChannelSection:
    """The first channel that listens to `machine`; `named_by` is the option that named it.

    Raises ConfigError, listing the machines, where there is none.
    """
    for channel in settings.channels:
        if channel.machine == machine:
            return channel
    known = ", ".join(sorted({channel.machine for channel in settings.channels}))
    raise ConfigError(f"{named_by}{machine}: the configuration has no such machine; it has {known}")
