"""What a user may set: a TOML file, checked as a whole before anything starts.

Every problem is reported with its line, the key, and what would be right. Paths are resolved against the folder of
the configuration file. Secrets never stand in the file: it names files that hold them, which are looked for in the
folder of systemd credentials first.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from asdstream.config_problems import problem, problems_by_line, syntax_problem
from asdstream.errors import AsdstreamError

MAX_CONFIG_BYTES = 4 * 1024 * 1024
"""A larger file is not a configuration but a mistake."""
MAX_SECRET_BYTES = 4096
SHORTEST_TOKEN = 16
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ConfigError(AsdstreamError):
    """A configuration that cannot be used; one line per problem."""

    exit_code = 78


def _folder(info: ValidationInfo) -> Path:
    context = info.context if isinstance(info.context, dict) else {}
    return Path(context.get("folder", "."))


def _resolved(value: Path, info: ValidationInfo) -> Path:
    return _folder(info) / value.expanduser()


def _existing(value: Path, info: ValidationInfo) -> Path:
    path = _resolved(value, info)
    if not path.exists():
        raise problem("{path} does not exist; name an existing file or folder", path=path)
    return path


CREDENTIALS_NAME = "asdstream"
"""Under which the unit loads the folder of secrets."""


def _credential(value: Path, info: ValidationInfo) -> Path:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    candidates = [_resolved(value, info)]
    if credentials and not value.is_absolute():
        # A whole folder that systemd loads under one name puts that name before each file's.
        candidates[:0] = [Path(credentials) / value, Path(credentials) / f"{CREDENTIALS_NAME}_{value}"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise problem("no file at {places}", places=" or ".join(str(candidate) for candidate in candidates))


def _text_to_path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


def _one_or_many(value: object) -> object:
    if isinstance(value, list):
        return tuple(_text_to_path(item) for item in value)
    return (_text_to_path(value),) if isinstance(value, str) and value else value


def _list_to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


_TEXT_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
_TOPIC_LEVEL = r"^[a-z0-9_-]{1,64}$"
_NAME = r"^[A-Za-z0-9_-]{1,64}$"
_DISCOVERY_PREFIX = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}$"
_DEVICE = r"^(auto|cpu|cuda|cuda:\d{1,2})$"
_PATTERNS = {
    _TOPIC_LEVEL: "should be 1 to 64 of the characters a-z, 0-9, - and _",
    _NAME: "should be 1 to 64 of the characters A-Z, a-z, 0-9, - and _",
    _DISCOVERY_PREFIX: 'should be a topic like "homeassistant", of the characters A-Z, a-z, 0-9, - and _',
    _DEVICE: 'should be "auto", "cpu", "cuda" or "cuda:<number>"',
}
TopicLevel = Annotated[str, Field(pattern=_TOPIC_LEVEL)]
"""One level of an MQTT topic: no slash, no wildcard, no space."""
Name = Annotated[str, Field(pattern=_NAME)]
AnyPath = Annotated[Path, AfterValidator(_resolved), BeforeValidator(_text_to_path), _TEXT_SCHEMA]
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


class Section(BaseModel):
    """A table of the file: unknown keys are refused, text is never taken for a number, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False)


def _secret(key: str, path: Path | None, what: str) -> str | None:
    """What the file at `path` holds, without the line end; `key` and `what` are for the sentence where it cannot be."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigError(f"{key}: {path} is too large to hold only {what}")
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path} is not UTF-8 text") from None
    if not secret:
        raise ConfigError(f"{key}: {path} is empty; it should hold {what}")
    return secret


_Root = TypeVar("_Root", bound=Section)


class SiteSection(Section):
    """Where this box stands; both names are levels of every MQTT topic."""

    name: TopicLevel = Field(default="site", description="The plant or building.")
    node: TopicLevel = Field(default="node", description="This box within the site.")


class TlsSection(Section):
    """Encryption of the connection to the broker; the table's presence switches it on."""

    ca_file: CredentialFile | None = Field(
        default=None, description="Certificate authority of the broker (PEM); without it, those the system trusts."
    )
    cert_file: CredentialFile | None = Field(default=None, description="Certificate of this client (PEM).")
    key_file: CredentialFile | None = Field(
        default=None, description="Private key of this client (PEM, without a passphrase)."
    )

    @model_validator(mode="after")
    def _key_belongs_to_certificate(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            given, absent = ("cert_file", "key_file") if self.key_file is None else ("key_file", "cert_file")
            raise problem("needs {absent} beside it: a client certificate has both", given, absent=absent)
        return self


class MqttSection(Section):
    """The broker."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Name or address of the broker.")
    port: int = Field(default=1883, ge=1, le=65535, description="Usually 1883, or 8883 with TLS.")
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="MQTT version; `auto` tries 5 and falls back to 3.1.1."
    )
    username: str | None = Field(default=None, min_length=1, max_length=256)
    password_file: CredentialFile | None = Field(
        default=None,
        description="File that holds the password and nothing else; looked for among the credentials first.",
    )
    keepalive_s: int = Field(
        default=30, ge=5, le=3600, description="Seconds without traffic after which the link is probed."
    )
    max_in_flight: int = Field(
        default=20, ge=1, le=1000, description="Alarm messages sent ahead of their acknowledgement."
    )
    outbox_per_second: float = Field(
        default=200.0,
        ge=1.0,
        le=10_000.0,
        description="Alarm messages a second at most once `max_in_flight` were sent at once: what has gathered while "
        "the broker was away leaves no faster.",
    )
    home_assistant: bool = Field(
        default=False,
        description="Whether Home Assistant is told of the box and its channels, by MQTT device discovery.",
    )
    home_assistant_prefix: Annotated[str, Field(pattern=_DISCOVERY_PREFIX)] = Field(
        default="homeassistant", description="The discovery prefix that Home Assistant is configured with."
    )
    tls: TlsSection | None = None

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password_file is not None and self.username is None:
            raise problem("needs username beside it", "password_file")
        return self

    def password(self) -> str | None:
        """The content of `password_file` without the line end; None where none is set."""
        return _secret("mqtt.password_file", self.password_file, "a password")


class EngineSection(Section):
    """How embeddings are computed."""

    device: Annotated[str, Field(pattern=_DEVICE)] = Field(
        default="auto", description="`auto` takes a GPU where there is one."
    )
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int | None = Field(
        default=None, ge=1, le=256, description="CPU threads of the networks; all cores when absent."
    )
    max_batch: int = Field(default=8, ge=1, le=256, description="Windows computed together at most.")
    compile: bool = Field(
        default=False,
        description="Whether the daemon compiles the networks with torch.compile, which makes its first start minutes "
        "long; what was compiled is kept beside the store. Needs a C++ compiler, or Triton on a GPU.",
    )


class AlarmsSection(Section):
    """When an alarm is raised and when it clears."""

    k: int = Field(
        default=5, ge=1, le=1000, description="This many of the latest `n` windows over the threshold raise."
    )
    n: int = Field(default=8, ge=1, le=1000, description="How many windows are looked back on.")
    clear_windows: int = Field(
        default=10, ge=1, le=10_000, description="This many windows in a row at or under `clear_level` clear."
    )
    clear_level: float = Field(
        default=0.8, gt=0.0, le=1.0, description="Fraction of the way from normal sound (0) to the threshold (1)."
    )
    min_duration_s: float = Field(default=10.0, ge=0.0, le=86_400.0, description="An alarm stands at least this long.")
    update_interval_s: float = Field(
        default=60.0, ge=1.0, le=86_400.0, description="An alarm that goes on is published again at most this often."
    )
    false_alarms_per_day: float = Field(
        default=0.1,
        gt=0.0,
        le=1000.0,
        description="False alarms a day and channel that are bearable; sets the threshold.",
    )
    on_delay_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds that k of n must have held before the alarm is raised."
    )
    off_delay_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds that it must have been quiet before the alarm clears."
    )
    latching: bool = Field(
        default=False, description="Whether an anomaly stands until it is reset, also when it is over by itself."
    )
    must_acknowledge: bool = Field(
        default=False, description="Whether an alarm that has cleared stays on display until it is acknowledged."
    )
    re_alarm_s: float = Field(
        default=28_800.0,
        ge=0.0,
        le=2_592_000.0,
        description="An alarm that is acknowledged and still stands comes back after so many seconds; 0: never.",
    )
    re_alarm_severity: int = Field(
        default=200,
        ge=0,
        le=1000,
        description="One that is acknowledged comes back when it is so much more severe than it was then; 0: never.",
    )
    max_shelve_s: float = Field(
        default=604_800.0, ge=1.0, le=31_536_000.0, description="No alarm is shelved for longer at a time."
    )
    source_lost_after_s: float = Field(
        default=10.0, ge=1.0, le=86_400.0, description="Seconds without sound after which a channel counts as lost."
    )
    source_back_after_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds of sound after which it no longer does."
    )
    silent_after_s: float = Field(
        default=30.0, ge=1.0, le=86_400.0, description="Seconds as quiet as only a dead input is that raise an alarm."
    )
    clipped_after_s: float = Field(
        default=30.0, ge=1.0, le=86_400.0, description="Seconds of clipped sound that raise an alarm."
    )
    clipped_share: float = Field(
        default=0.01, gt=0.0, le=1.0, description="Sound of which this share of samples is clipped counts as clipped."
    )
    stalled_after_s: float = Field(
        default=60.0,
        ge=30.0,
        le=86_400.0,
        description="Seconds in which sound comes in, but no window becomes complete, that raise an alarm.",
    )
    unscored_after_s: float = Field(
        default=60.0,
        ge=30.0,
        le=86_400.0,
        description="Seconds in which windows become complete, but none is scored, that raise an alarm.",
    )
    overload_after_s: float = Field(
        default=60.0,
        ge=1.0,
        le=86_400.0,
        description="Seconds in which the engine leaves windows out that raise an alarm.",
    )
    disk_after_s: float = Field(
        default=60.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds for which there must be too little room on the disk, or the store take nothing.",
    )
    disk_free_min_mb: float = Field(
        default=500.0,
        ge=0.0,
        le=1e6,
        description="Less room on the disk of the store raises an alarm; 0: only a store that takes nothing does.",
    )
    technical_clear_s: float = Field(
        default=10.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds that silence, clipping, overload or a full disk must be over before their alarms clear.",
    )

    @model_validator(mode="after")
    def _k_is_of_n(self) -> Self:
        if self.k > self.n:
            raise problem("should be at most n (alarms.n is {n}), not {k}", "k", n=self.n, k=self.k)
        return self


def _default_store() -> Path:
    """systemd's state directory where there is one, else beside the configuration."""
    return Path(os.environ.get("STATE_DIRECTORY", "").split(":")[0] or ".") / "asdstream.db"


class StoreSection(Section):
    """Where alarms, unsent messages and references are kept."""

    path: AnyPath = Field(default_factory=_default_store, description="The SQLite database; made when absent.")
    max_bytes: int = Field(
        default=10_000_000_000,
        ge=1_000_000,
        le=10**15,
        description="How large the database may become, with the files beside it. What can be spared makes room, sound "
        "first; alarms and their messages never do.",
    )


class ClipsSection(Section):
    """The sound around each alarm, kept in the folder `clips` beside the store."""

    enabled: bool = Field(default=True, description="Whether any is kept.")
    pre_roll_s: float = Field(
        default=15.0,
        ge=0.0,
        le=60.0,
        description="Seconds before the raise; what raises an alarm takes some to be told from chance.",
    )
    post_roll_s: float = Field(default=10.0, ge=0.0, le=60.0, description="Seconds after it.")
    max_bytes: int = Field(
        default=2_000_000_000, ge=1_000_000, le=10**15, description="Of all clips together; the oldest make room."
    )
    max_age_days: float = Field(default=90.0, gt=0.0, le=36_500.0, description="Older ones are deleted.")


class MetricsSection(Section):
    """The daemon's own small web server; the table's presence switches it on."""

    host: str = Field(
        default="127.0.0.1", min_length=1, max_length=253, description="Address to serve on; this box alone as it is."
    )
    port: int = Field(default=9464, ge=1, le=65535)
    token_file: CredentialFile | None = Field(
        default=None, description="File that holds what a reader of /metrics must send as a bearer token."
    )
    cert_file: CredentialFile | None = Field(default=None, description="Certificate (PEM), for HTTPS.")
    key_file: CredentialFile | None = Field(default=None, description="Its private key (PEM, without a passphrase).")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            given, absent = ("cert_file", "key_file") if self.key_file is None else ("key_file", "cert_file")
            raise problem("needs {absent} beside it: HTTPS takes both", given, absent=absent)
        if self.host not in _LOOPBACK and self.token_file is None:
            raise problem("can be reached from other machines, so it needs token_file beside it", "host")
        return self

    def token(self) -> str | None:
        """The content of `token_file` without the line end; None where none is set."""
        return _secret("metrics.token_file", self.token_file, "a token")


def _default_history() -> Path | None:
    """In systemd's state directory where there is one, else nowhere."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(folder) / "dashboard.db" if folder else None


class WebSection(Section):
    """The dashboard, a process of its own: `asdstream dashboard`."""

    host: str = Field(
        default="127.0.0.1", min_length=1, max_length=253, description="Address to serve on; this box alone as it is."
    )
    port: int = Field(default=8300, ge=1, le=65535)
    site: TopicLevel | None = Field(default=None, description="Show this site alone; every site when absent.")
    users_file: CredentialFile | None = Field(
        default=None, description="Who may log in; `asdstream dashboard --new-user NAME` makes its lines."
    )
    token_file: CredentialFile | None = Field(
        default=None, description="File that holds a token, with which anybody who knows it may log in."
    )
    cert_file: CredentialFile | None = Field(default=None, description="Certificate (PEM), for HTTPS.")
    key_file: CredentialFile | None = Field(default=None, description="Its private key (PEM, without a passphrase).")
    mqtt_username: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The dashboard's own account with the broker; mqtt.username when absent.",
    )
    mqtt_password_file: CredentialFile | None = Field(default=None, description="File that holds its password.")
    history: AnyPath | None = Field(
        default_factory=_default_history,
        description="SQLite file of past alarm events; in memory when absent and there is no state directory.",
    )
    max_pages: int = Field(default=64, ge=1, le=1000, description="At most so many pages are kept up to date.")
    logins_per_minute: float = Field(
        default=6.0, gt=0.0, le=600.0, description="Attempts to log in, from each address; ten times that from all."
    )
    commands_per_minute: float = Field(default=60.0, gt=0.0, le=6000.0, description="Of each user.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            given, absent = ("cert_file", "key_file") if self.key_file is None else ("key_file", "cert_file")
            raise problem("needs {absent} beside it: HTTPS takes both", given, absent=absent)
        if (self.mqtt_username is None) and self.mqtt_password_file is not None:
            raise problem("needs mqtt_username beside it", "mqtt_password_file")
        if self._open_to_all(self.host):
            raise problem("can be reached from other machines, so it needs users_file or token_file beside it", "host")
        return self

    def _open_to_all(self, host: str) -> bool:
        return host not in _LOOPBACK and self.users_file is None and self.token_file is None

    def served_at(self, host: str | None, port: int | None) -> "WebSection":
        """The same, on another address; raises ConfigError where that can be reached and nobody has to log in."""
        if host is not None and self._open_to_all(host):
            raise ConfigError(
                f"--host {host} can be reached from other machines, so the configuration needs web.users_file or "
                "web.token_file"
            )
        return self.model_copy(update={"host": host or self.host, "port": self.port if port is None else port})

    def token(self) -> str | None:
        """The content of `token_file` without the line end; None where none is set."""
        token = _secret("web.token_file", self.token_file, "a token")
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise ConfigError(f"web.token_file: the token should have at least {SHORTEST_TOKEN} characters")
        return token

    def mqtt_password(self) -> str | None:
        """The content of `mqtt_password_file` without the line end; None where none is set."""
        return _secret("web.mqtt_password_file", self.mqtt_password_file, "a password")


class LogSection(Section):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` writes for people on a terminal and JSON elsewhere."
    )


class MicrophoneSettings(Section):
    """Sound from a device of this box."""

    kind: Literal["microphone"]
    device: str = Field(min_length=1, max_length=256, description="Name or stable id, as `asdstream devices` lists.")
    sample_rate: int | None = Field(default=None, ge=8000, le=384_000, description="Hz; the device's own when absent.")
    channels: int | None = Field(default=None, ge=1, le=64)


class MqttSettings(Section):
    """Sound in messages on `channel/<id>/audio`."""

    kind: Literal["mqtt"]
    format: Literal["wav", "pcm"] = Field(
        default="wav", description="`wav`: each message is a WAV file; `pcm`: bare samples."
    )
    encoding: Literal["s16le", "s24le", "s32le", "f32le"] | None = Field(default=None, description="Of `pcm`.")
    sample_rate: int | None = Field(default=None, ge=8000, le=384_000, description="Of `pcm`, in Hz.")
    channels: int | None = Field(default=None, ge=1, le=64, description="Of `pcm`, interleaved.")
    max_message_bytes: int = Field(
        default=4_000_000, ge=1024, le=64_000_000, description="Larger messages are refused."
    )
    silence_gap_s: float = Field(
        default=2.0, gt=0.0, le=3600.0, description="A longer pause between messages is a gap."
    )

    @model_validator(mode="after")
    def _pcm_is_described(self) -> Self:
        described = {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}
        if self.format == "pcm":
            absent = [key for key, value in described.items() if value is None]
            if absent:
                raise problem(
                    '"pcm" needs {absent} beside it: bare samples do not say what they are',
                    "format",
                    absent=" and ".join(absent),
                )
        else:
            for key, value in described.items():
                if value is not None:
                    raise problem('belongs to format = "pcm"; a WAV message says it itself', key)
        return self


class FileSettings(Section):
    """Sound from recordings, WAV or FLAC."""

    kind: Literal["file"]
    path: ExistingPaths = Field(description="A recording, a folder of them, or a list of either.")
    realtime: bool = Field(default=True, description="Whether to keep to real time or to read as fast as possible.")
    loop: bool = Field(default=False, description="Whether to begin again after the last recording.")


class FaultSettings(Section):
    """A fault that a simulated machine develops."""

    kind: Name
    start_s: float = Field(default=0.0, ge=0.0, le=1e9)
    ramp_s: float = Field(default=0.0, ge=0.0, le=1e9, description="Seconds until `severity` is reached.")
    severity: float = Field(default=1.0, ge=0.0, le=1.0)


class SimulatorSettings(Section):
    """A simulated machine."""

    kind: Literal["simulator"]
    machine_type: Name | None = Field(default=None, description="Of the simulator; the channel's own when absent.")
    identity: int = Field(default=0, ge=0, le=1_000_000, description="The same identity is the same physical machine.")
    speed_rpm: float | None = Field(default=None, gt=0.0, le=100_000.0)
    load: float = Field(default=0.6, ge=0.0, le=1.0)
    microphone: Name = "flat"
    snr_db: float = Field(default=15.0, ge=-40.0, le=100.0)
    background: Name = "factory"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    realtime: bool = True
    fault: FaultSettings | None = None


SourceSettings = MicrophoneSettings | MqttSettings | FileSettings | SimulatorSettings


class CommissioningSection(Section):
    """A new machine is listened to, and then makes its own references and threshold; the table's presence asks for it.

    It is for a machine without references, which raises no anomaly alarm until it is done.
    """

    listen_s: float = Field(
        default=7200.0,
        ge=300.0,
        le=21_600.0,
        description="Seconds of sound of a healthy machine; what is lost, silent or clipped does not count.",
    )
    references: int = Field(
        default=16, ge=3, le=256, description="At most so many windows of it become references; the rest is held out."
    )


class ChannelSection(Section):
    """One audio stream and the machine it listens to."""

    id: TopicLevel = Field(description="Level of the channel's MQTT topics.")
    machine: Name = Field(description="What it listens to; several channels may share a machine.")
    machine_type: Name = Field(description="A machine type of the bundle, which brings prototypes and calibration.")
    hop: float = Field(default=1.0, ge=0.1, le=10.0, description="Seconds from one window to the next.")
    separate: Literal["auto", "on", "off", "both"] = Field(
        default="auto",
        description="Separation from the background; `auto`: as the bundle's prototypes of the type were made, and for "
        "a type that it does not know, where it has a separator for just that; `both`: sound is scored as it is and "
        "separated, each against what was heard alike, and the two scores are averaged, each measured by its own "
        "way from normal sound to the threshold.",
    )
    commissioning: CommissioningSection | None = None
    source: Annotated[SourceSettings, Field(discriminator="kind")]


def _bundle_reference(value: str, info: ValidationInfo) -> str:
    if value.startswith("builtin:"):
        if not re.fullmatch(r"builtin:[a-z0-9_-]+", value):
            raise problem('a built-in bundle is named like "builtin:demo"')
        return value
    folder = _resolved(Path(value), info)
    if not (folder / "bundle.json").is_file():
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
    channels: Annotated[tuple[ChannelSection, ...], BeforeValidator(_list_to_tuple), Field(min_length=1)]

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
        raise ConfigError(problems_by_line(error, root, data=data, text=text, path=path, patterns=_PATTERNS)) from None


def json_schema() -> dict[str, Any]:
    """JSON Schema of the configuration, for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "asdstream configuration"} | schema
