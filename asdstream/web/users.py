"""Who may look: names and passwords, of which only a scrypt hash (RFC 7914) is kept.

A users file has a line `name:scrypt:<log2 n>:<r>:<p>:<salt>:<hash>` for each, the last two in base64; empty lines and
lines that begin with # are passed over.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from asdstream.errors import AsdstreamError

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024
MOST_BYTES = 1_000_000
_LOG_N, _R, _P = 15, 8, 1
"""32 MiB and about a tenth of a second for each try."""
_NAME = re.compile(r"[\w.@+'-]+( [\w.@+'-]+)*")


class UsersError(AsdstreamError):
    """A users file, or a new user, that cannot be used."""

    exit_code = 78


@dataclass(frozen=True, slots=True)
class _Kept:
    log_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        found = _scrypt(password, self.salt, self.log_n, self.r, self.p, len(self.digest))
        return hmac.compare_digest(found, self.digest)


class Users:
    """Those who may log in; a name that is not among them takes as long to refuse as a wrong password."""

    def __init__(self, kept: dict[str, _Kept]) -> None:
        self._kept = kept
        self._nobody = _Kept(_LOG_N, _R, _P, secrets.token_bytes(16), secrets.token_bytes(32))

    def fits(self, name: str, password: str) -> bool:
        """Whether `password` is that of `name`; takes a tenth of a second of computing."""
        known = self._kept.get(name)
        fits = (known or self._nobody).fits(password[:LONGEST_PASSWORD])
        return fits and known is not None


def user_line(name: str, password: str) -> str:
    """The line of a users file for a new user. Raises UsersError for a name or a password that cannot be one."""
    if len(name) > 64 or not _NAME.fullmatch(name):
        raise UsersError(f'a user is named with letters, digits, single spaces and . @ + \' - _, not "{name[:64]}"')
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsersError(f"a password should have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _LOG_N, _R, _P, 32)
    return f"{name}:scrypt:{_LOG_N}:{_R}:{_P}:{_base64(salt)}:{_base64(digest)}"


def read_users(path: Path) -> Users:
    """The users of a file. Raises UsersError with the line that is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsersError(f"web.users_file: cannot read {path}: {error.strerror}") from None
    try:
        text = content[: MOST_BYTES + 1].decode()
    except UnicodeDecodeError:
        raise UsersError(f"web.users_file: {path} is not UTF-8 text") from None
    if len(content) > MOST_BYTES:
        raise UsersError(f"web.users_file: {path} is too large for a list of users")
    kept: dict[str, _Kept] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        read = _read(rest)
        if read is None or not _NAME.fullmatch(name) or len(name) > 64:
            raise UsersError(
                f"web.users_file: {path}:{number}: no user; make the line with: asdstream dashboard --new-user NAME"
            )
        kept[name] = read
    if not kept:
        raise UsersError(f"web.users_file: {path} names nobody; make a line with: asdstream dashboard --new-user NAME")
    return Users(kept)


def _read(rest: str) -> _Kept | None:
    parts = rest.split(":")
    if len(parts) != 6 or parts[0] != "scrypt":
        return None
    try:
        log_n, r, p = (int(part) for part in parts[1:4])
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[4:])
    except ValueError:
        return None
    # A slip of the pen here must not cost gigabytes at the next login.
    if not (10 <= log_n <= 18 and 1 <= r <= 16 and 1 <= p <= 4 and len(salt) >= 8 and 16 <= len(digest) <= 64):
        return None
    return _Kept(log_n, r, p, salt, digest)


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int, size: int) -> bytes:
    cost = 1 << log_n
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=r, p=p, dklen=size, maxmem=256 * cost * r + (1 << 20))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
