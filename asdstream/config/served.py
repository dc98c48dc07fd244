"""What is served over HTTP: the daemon's metrics, and the dashboard."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from asdstream.config.errors import ConfigError
from asdstream.config.fields import AnyPath, CredentialFile, Section, TopicLevel, certificate_with_key
from asdstream.config.secret import secret_in
from asdstream.config_problems import problem

SHORTEST_TOKEN = 16
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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
        certificate_with_key(self.cert_file, self.key_file, "HTTPS takes both")
        if self.host not in _LOOPBACK and self.token_file is None:
            raise problem("can be reached from other machines, so it needs token_file beside it", "host")
        return self

    def token(self) -> str | None:
        """The content of `token_file` without the line end; None where none is set."""
        return secret_in("metrics.token_file", self.token_file, "a token")


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
        certificate_with_key(self.cert_file, self.key_file, "HTTPS takes both")
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
        token = secret_in("web.token_file", self.token_file, "a token")
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise ConfigError(f"web.token_file: the token should have at least {SHORTEST_TOKEN} characters")
        return token

    def mqtt_password(self) -> str | None:
        """The content of `mqtt_password_file` without the line end; None where none is set."""
        return secret_in("web.mqtt_password_file", self.mqtt_password_file, "a password")
