"""The file as a whole."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from asdstream.config.alarms import AlarmsSection
from asdstream.config.channel import ChannelSection
from asdstream.config.connection import MqttSection, SiteSection
from asdstream.config.engine import EngineSection
from asdstream.config.errors import ConfigError
from asdstream.config.fields import PATTERNS, Section, list_to_tuple, looked_at, resolved
from asdstream.config.kept import ClipsSection, StoreSection
from asdstream.config.log import LogSection
from asdstream.config.served import MetricsSection, WebSection
from asdstream.config_problems import problem, problems_by_line, syntax_problem

MAX_CONFIG_BYTES = 4 * 1024 * 1024
"""A larger file is not a configuration but a mistake."""
_Root = TypeVar("_Root", bound=Section)


def _bundle_reference(value: str, info: ValidationInfo) -> str:
    if value.startswith("builtin:"):
        if not re.fullmatch(r"builtin:[a-z0-9_-]+", value):
            raise problem('a built-in bundle is named like "builtin:demo"')
        return value
    folder = resolved(Path(value), info)
    with looked_at(folder):
        is_bundle = (folder / "bundle.json").is_file()
    if not is_bundle:
        raise problem("no bundle at {folder} (it has no bundle.json); name a bundle's folder", folder=folder)
    return str(folder)


class Config(Section):
    """The whole file."""

    bundle: Annotated[str, AfterValidator(_bundle_reference)] = Field(
        default="builtin:demo", min_length=1, description='Folder of the bundle, or "builtin:demo".'
    )
    site: SiteSection = SiteSection()
    mqtt: MqttSection = MqttSection()
    engine: EngineSection = EngineSection()
    alarms: AlarmsSection = AlarmsSection()
    clips: ClipsSection = ClipsSection()
    store: StoreSection
    metrics: MetricsSection | None = None
    web: WebSection = WebSection()
    log: LogSection = LogSection()
    channels: Annotated[tuple[ChannelSection, ...], BeforeValidator(list_to_tuple), Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _store_has_a_place(cls, data: object) -> object:
        # A default made without the validation context would not know the folder of the file.
        return {"store": {}} | data if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        seen: dict[str, int] = {}
        types: dict[str, ChannelSection] = {}
        for index, channel in enumerate(self.channels):
            if channel.id in seen:
                raise problem(
                    '"{id}" is the id of channels[{other}] already; every channel needs its own',
                    *("channels", index, "id"),
                    id=channel.id,
                    other=seen[channel.id],
                )
            seen[channel.id] = index
            first = types.setdefault(channel.machine, channel)
            if first.machine_type != channel.machine_type:
                raise problem(
                    'machine "{machine}" is a "{first}" in channel "{other}"; one machine has one type',
                    *("channels", index, "machine_type"),
                    machine=channel.machine,
                    first=first.machine_type,
                    other=first.id,
                )
            if first.commissioning != channel.commissioning:
                raise problem(
                    'machine "{machine}" has another commissioning in channel "{other}"; write the same in both',
                    *("channels", index, "commissioning"),
                    machine=channel.machine,
                    other=first.id,
                )
            if channel.commissioning is not None and first.separate != channel.separate:
                raise problem(
                    'should be "{first}" as in channel "{other}": machine "{machine}" is commissioned as a whole',
                    *("channels", index, "separate"),
                    first=first.separate,
                    other=first.id,
                    machine=channel.machine,
                )
        return self


class DashboardConfig(Section):
    """What the dashboard needs of a file, which may be a daemon's: the rest of that is for the daemon to check."""

    mqtt: MqttSection = MqttSection()
    web: WebSection
    log: LogSection = LogSection()

    @model_validator(mode="before")
    @classmethod
    def _leaves_the_daemon_its_own(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        daemons = Config.model_fields.keys() - cls.model_fields.keys()
        return {"web": {}} | {key: value for key, value in data.items() if key not in daemons}


def load(path: Path) -> Config:
    """The configuration in the TOML file at `path`, checked as a whole.

    Raises `ConfigError`, one line per problem as `FILE:LINE: KEY: what would be right`.
    """
    return parse(_read(path), path)


def load_dashboard(path: Path) -> DashboardConfig:
    """As `load`, of the parts that the dashboard needs; no channels have to be there."""
    return _parse(DashboardConfig, _read(path), path)


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path}: {size} bytes is too large for a configuration")
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the configuration with -c FILE") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: the file is not UTF-8 text") from None


def parse(text: str, path: Path) -> Config:
    """As `load`, from TOML `text` that stands, or would stand, at `path`."""
    return _parse(Config, text, path)


def _parse(root: type[_Root], text: str, path: Path) -> _Root:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(syntax_problem(error, text, path)) from None
    try:
        return root.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise ConfigError(problems_by_line(error, root, data=data, text=text, path=path, patterns=PATTERNS)) from None


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "asdstream configuration"} | schema
