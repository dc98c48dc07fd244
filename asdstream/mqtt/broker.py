"""Where the broker is and who we are to it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asdstream.mqtt.errors import MqttError

Protocol = Literal["auto", "5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption: a private certificate authority, and our own certificate if the broker asks for one (PEM files)."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What the connection is secured with: TLS 1.2 or newer, certificate and host name checked."""
        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except (OSError, ValueError) as error:
            raise MqttError(f"{self.ca_file} is no certificate authority in PEM form: {_reason(error)}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert_file is not None:
            try:
                # An empty passphrase, since a daemon has nobody to ask for one.
                context.load_cert_chain(self.cert_file, self.key_file, password="")
            except (OSError, ValueError) as error:
                raise MqttError(
                    f"{self.cert_file} and {self.key_file} are no certificate with its key in PEM form, without a "
                    f"passphrase: {_reason(error)}"
                ) from error
        return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the broker; the password is never shown.

    `protocol` "auto" tries MQTT 5 and falls back to 3.1.1. Larger messages than `max_packet_bytes` are not taken.
    """

    host: str
    port: int = 1883
    protocol: Protocol = "auto"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    tls: Tls | None = None
    max_packet_bytes: int = 80_000_000

    @property
    def address(self) -> str:
        """For people: host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
