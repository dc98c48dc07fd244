"""Where clips lie: so many bytes, so old at most, the oldest out first."""

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from asdstream import atomic

log = structlog.get_logger()

ALARM, REFERENCE, PICTURE, FACTS = "flac", "reference.flac", "png", "json"
PARTS = (ALARM, REFERENCE, PICTURE, FACTS)
"""What follows the name of a clip; the facts are written last, so that with them the clip is whole."""
_FILE = re.compile(r"(?P<clip>[0-9A-Z]{26})\.(flac|reference\.flac|png|json)")
_HALF_WRITTEN = re.compile(rf"\.{_FILE.pattern}\.\w+")
"""As `atomic` names it."""
LEFT_S = 60.0
MODE = 0o640
"""Sound of a place where people work is not for everybody on the box."""


@dataclass(frozen=True, slots=True)
class _Held:
    size: int
    written: float


class ClipFolder:
    """The clips in the folder `path`; may be used from any thread. Is an `Expendable` of the room keeper.

    Raises OSError from the constructor and from `put` where the disk does not play along.
    """

    def __init__(self, path: Path, max_bytes: int, max_age_s: float, utc: Callable[[], float] = time.time) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._utc = utc
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        path.mkdir(parents=True, exist_ok=True, mode=0o750)
        for file in path.iterdir():
            # Another daemon, which this one is to follow, may be writing and deleting still.
            with suppress(FileNotFoundError):
                self._find(file)

    def _find(self, file: Path) -> None:
        """Take a file of the folder into account; one that a crash has left half written is deleted."""
        name = _FILE.fullmatch(file.name)
        if name is not None:
            stat = file.stat()
            before = self._held.get(name["clip"], _Held(0, 0.0))
            self._held[name["clip"]] = _Held(before.size + stat.st_size, max(before.written, stat.st_mtime))
        elif _HALF_WRITTEN.fullmatch(file.name) and self._utc() - file.stat().st_mtime > LEFT_S:
            file.unlink()

    @property
    def used_bytes(self) -> int:
        """Of all clips."""
        with self._lock:
            return sum(held.size for held in self._held.values())

    def put(self, clip: str, parts: dict[str, bytes], facts: dict[str, Any]) -> None:
        """Keep a clip: its parts first, its facts last; of one that cannot be written nothing stays."""
        files = {**parts, FACTS: json.dumps(facts, allow_nan=False, indent=1).encode()}
        size = sum(map(len, files.values()))
        self.tidy(size)
        try:
            for part, content in files.items():
                atomic.write_bytes(self._path / f"{clip}.{part}", content, MODE)
        except OSError:
            self._delete(clip)
            raise
        with self._lock:
            self._held[clip] = _Held(size, self._utc())

    def facts(self, clip: str) -> dict[str, Any] | None:
        """What is written about a clip; None where it is not (or no longer, or not wholly) here."""
        try:
            found: dict[str, Any] = json.loads((self._path / f"{clip}.{FACTS}").read_bytes())
        except FileNotFoundError:
            return None
        return found

    def part(self, clip: str, part: str) -> bytes | None:
        """The content of one part of a clip; None where there is none."""
        try:
            return (self._path / f"{clip}.{part}").read_bytes()
        except FileNotFoundError:
            return None

    def tidy(self, wanted: int = 0) -> None:
        """Delete what is too old, then the oldest until `wanted` more bytes fit in."""
        oldest = self._utc() - self._max_age_s
        with self._lock:
            stale = [clip for clip, held in self._held.items() if held.written < oldest]
        for clip in stale:
            self._delete(clip)
        self.give_up(self.used_bytes + wanted - self._max_bytes)

    def give_up(self, count: int) -> int:
        """Delete the oldest clips until `count` bytes are free or none is left; the bytes freed."""
        freed = 0
        while freed < count:
            with self._lock:
                oldest = min(self._held, key=lambda clip: self._held[clip].written, default=None)
            if oldest is None:
                break
            freed += self._delete(oldest)
        return freed

    def _delete(self, clip: str) -> int:
        """The bytes freed. A file that cannot be deleted is not counted further, or deleting would never end."""
        with self._lock:
            held = self._held.pop(clip, _Held(0, 0.0))
        try:
            for part in reversed(PARTS):
                (self._path / f"{clip}.{part}").unlink(missing_ok=True)
        except OSError as error:
            log.warning("clip_not_deleted", clip=clip, problem=str(error))
            return 0
        return held.size
