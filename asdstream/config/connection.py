"""Where the box stands, and its broker."""

from typing import Literal, Self

from pydantic import Field, model_validator

from asdstream.config.fields import CredentialFile, DiscoveryPrefix, Section, TopicLevel, certificate_with_key
from asdstream.config.secret import secret_in
from asdstream.config_problems import problem


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
        certificate_with_key(self.cert_file, self.key_file, "a client certificate has both")
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
    home_assistant_prefix: DiscoveryPrefix = Field(
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
        return secret_in("mqtt.password_file", self.password_file, "a password")
