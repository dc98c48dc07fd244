"""What is served over HTTP: the daemon's metrics, and the dashboard."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from asdstream.config.errors import ConfigError
from asdstream.config.fields import AnyPath, CredentialFile, Section, TopicLevel, certificate_with_key
from asdstream.config.secret import secret_in
from asdstream.config.state_directory import state_directory
from asdstream.config_problems import problem

SHORTEST_TOKEN = 16
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ServedSection(Section):
    """What web servers have in common; `table` is what theirs is called in the file."""

    table: ClassVar[str]

    host: str = Field(
        default="127.0.0.1", min_length=1, max_length=253, description="Address to serve on; this box alone as it is."
    )
    port: int = Field(ge=1, le=65535)
    token_file: CredentialFile | None = None
    cert_file: CredentialFile | None = Field(default=None, description="Certificate (PEM), for HTTPS.")
    key_file: CredentialFile | None = Field(default=None, description="Its private key (PEM, without a passphrase).")

    @model_validator(mode="after")
    def _key_belongs_to_certificate(self) -> Self:
        certificate_with_key(self.cert_file, self.key_file, "HTTPS takes both")
        return self

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The files of the certificate and its key; None without HTTPS."""
        return None if self.cert_file is None or self.key_file is None else (self.cert_file, self.key_file)

    def token(self) -> str | None:
        """The content of `token_file` without the line end; None where none is set."""
        return secret_in(f"{self.table}.token_file", self.token_file, "a token")


class MetricsSection(ServedSection):
    """The daemon's own small web server; the table's presence switches it on."""

    table = "metrics"

    port: int = Field(default=9464, ge=1, le=65535)
    token_file: CredentialFile | None = Field(
        default=None, description="File that holds what a reader of /metrics must send as a bearer token."
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.host not in _LOOPBACK and self.token_file is None:
            raise problem("can be reached from other machines, so it needs token_file beside it", "host")
        return self


def _default_history() -> Path | None:
    """In systemd's state directory where there is one, else nowhere."""
    folder = state_directory()
    return None if folder is None else folder / "dashboard.db"


class WebSection(ServedSection):
    """The dashboard, a process of its own: `asdstream dashboard`."""

    table = "web"

    port: int = Field(default=8300, ge=1, le=65535)
    token_file: CredentialFile | None = Field(
        default=None, description="File that holds a token, with which anybody who knows it may log in."
    )
    site: TopicLevel | None = Field(default=None, description="Show this site alone; every site when absent.")
    users_file: CredentialFile | None = Field(
        default=None, description="Who may log in; `asdstream dashboard --new-user NAME` makes its lines."
    )
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
        """As of any server; raises ConfigError also where it is short enough to be guessed."""
        token = super().token()
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise ConfigError(f"web.token_file: the token should have at least {SHORTEST_TOKEN} characters")
        return token

    def mqtt_password(self) -> str | None:
        """The content of `mqtt_password_file` without the line end; None where none is set."""
        return secret_in("web.mqtt_password_file", self.mqtt_password_file, "a password")
