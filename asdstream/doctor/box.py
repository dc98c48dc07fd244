"""What the daemon needs of the box: room, a right clock, and what it may read and write."""

import ctypes
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from asdstream.config import Config
from asdstream.doctor.finding import Finding, failed, guarded, ok, warning
from asdstream.doctor.store import look_at_store, may_write, nearest

MB = 1_000_000
ROOMY = 4.0
"""Times the least room: below that a warning, since references and clips still come."""
BUILT_AT = 1_760_000_000.0
"""UTC; no clock that is right stands before it (October 2025)."""
_UNSYNCHRONISED = 5


def look_at_box(settings: Config, synchronised: Callable[[], bool | None] | None = None) -> Iterator[Finding]:
    """Of the disk, the store, the clock and the permissions."""
    folder = settings.store.path.parent
    yield from guarded("permissions", lambda: _permissions(settings, folder), f"ls -ld {folder}")
    yield from guarded("disk", lambda: _disk(settings, folder), f"df {folder}")
    yield from look_at_store(settings.store.path)
    yield _clock((synchronised or kernel_clock_synchronised)())


def kernel_clock_synchronised() -> bool | None:
    """Whether the kernel knows its clock to be kept right by a time server; None where it cannot be asked."""
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != _UNSYNCHRONISED


def _permissions(settings: Config, folder: Path) -> Iterator[Finding]:
    there = nearest(folder)
    if not may_write(there):
        yield failed("permissions", f"this user may not write to {there}", f"install -d -m 0750 -o $USER {folder}")
        return
    secrets = [settings.mqtt.password_file]
    if settings.mqtt.tls is not None:
        secrets.append(settings.mqtt.tls.key_file)
    open_to_all = [path for path in secrets if path is not None and path.stat().st_mode & stat.S_IROTH]
    if open_to_all:
        names = " ".join(str(path) for path in open_to_all)
        yield warning("permissions", f"anybody on this box may read {names}", f"chmod o= {names}")
        return
    yield ok("permissions", f"{folder} can be written to, and secrets are kept from others")


def _disk(settings: Config, folder: Path) -> Iterator[Finding]:
    free_mb = shutil.disk_usage(nearest(folder)).free / MB
    least = settings.alarms.disk_free_min_mb
    says = f"{free_mb:,.0f} MB are free at {folder}"
    mend = f"du -xh {folder} | sort -h | tail; journalctl --vacuum-size=200M"
    if free_mb < least:
        yield failed("disk", f"{says}, less than alarms.disk_free_min_mb, {least:g}", mend)
    elif free_mb < ROOMY * least:
        yield warning("disk", f"{says}; an alarm comes at {least:g} MB", mend)
    else:
        yield ok("disk", says)


def _clock(synchronised: bool | None) -> Finding:
    now = time.time()
    says = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    mend = "timedatectl set-ntp true; timedatectl timesync-status"
    if now < BUILT_AT:
        return failed("clock", f"{says}: that is long past; certificates are refused and alarms misdated", mend)
    if synchronised is False:
        return warning("clock", f"{says}, and no time server keeps it right", mend)
    return ok("clock", says if synchronised is None else f"{says}, kept right by a time server")
