"""Secrets, which never stand in the configuration but in files that it names."""

from pathlib import Path

from asdstream.config.errors import ConfigError

MAX_SECRET_BYTES = 4096


def secret_in(key: str, path: Path | None, what: str) -> str | None:
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
