"""What somebody who is to help wants to see of a box, in one file without secrets."""

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from asdstream.doctor.finding import Finding

JOURNAL_LINES = 2000
JOURNAL_WITHIN_S = 20.0
MOST_BYTES = 8_000_000
"""Of any one part; more of a log helps nobody."""
HIDDEN = "(hidden)"
_SECRET = re.compile(r"(pass(word|phrase)?|secret|token|api_?key|credential)", re.IGNORECASE)
_SETTING = re.compile(r"""^(\s*["']?[\w.-]*["']?\s*=\s*).*$""")
_IN_URL = re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@")
_IN_LOG = re.compile(
    r"""(["']?\w*(?:password|passphrase|secret|token)\w*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)""", re.IGNORECASE
)
_FILE_SETTING = re.compile(r"_file[\"']?\s*=")


def archive_of(findings: Sequence[Finding], configuration: Path | None, facts: dict[str, Any]) -> bytes:
    """A zip file: what was found, the configuration, versions, the journal.

    Recordings, references and the database stay where they are.
    """
    parts = {
        "findings.json": json.dumps([asdict(finding) for finding in findings], indent=2),
        "facts.json": json.dumps(facts, indent=2, default=str),
        "versions.txt": "\n".join(sorted(f"{d.name}=={d.version}" for d in metadata.distributions())),
        "system.txt": _system(),
    }
    if configuration is not None:
        # One that cannot be read is among the findings.
        with suppress(OSError):
            parts["asdstream.toml"] = without_secrets(configuration.read_text(errors="replace"))
    journal = _journal()
    if journal is not None:
        parts["journal.jsonl"] = without_secrets(journal)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text.encode()[-MOST_BYTES:])
    return packed.getvalue()


def without_secrets(text: str) -> str:
    """`text` with whatever looks like a secret hidden: values of settings and of log fields, passwords in addresses.

    A configuration names files that hold secrets, never the secrets; this is for what was written there by mistake.
    """
    return "\n".join(_line_without_secrets(line) for line in text.splitlines())


def _line_without_secrets(line: str) -> str:
    key = line.partition("=")[0]
    setting = _SETTING.match(line)
    if setting and _SECRET.search(key) and not _FILE_SETTING.search(line):
        return f'{setting.group(1)}"{HIDDEN}"'
    line = _IN_URL.sub(rf"\1:{HIDDEN}@", line)
    return line if _FILE_SETTING.search(line) else _IN_LOG.sub(rf"\1{HIDDEN}", line)


def _system() -> str:
    told = []
    for path in ("/etc/os-release", "/proc/cpuinfo", "/proc/meminfo", "/proc/asound/cards", "/proc/loadavg"):
        try:
            told.append(f"# {path}\n{Path(path).read_text(errors='replace')[:20_000]}")
        except OSError:
            told.append(f"# {path}: cannot be read")
    return "\n".join(told)


def _journal() -> str | None:
    """The latest lines of the service; None where there is no journal."""
    program = shutil.which("journalctl")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "--unit", "asdstream", "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"],
            capture_output=True,
            timeout=JOURNAL_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
