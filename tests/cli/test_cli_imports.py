"""What a command costs before it does anything."""

import subprocess
import sys

from processes import ENVIRONMENT

SLOW = {"PIL", "faiss", "prometheus_client", "soundfile", "sounddevice", "starlette", "torch", "uvicorn"}


def loaded_by(script: str) -> tuple[str, set[str]]:
    """What a process of its own prints that runs `script`, and the modules that it has loaded in the end."""
    told = f"import sys\ntry:\n    {script}\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    done = subprocess.run(
        [sys.executable, "-c", told], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, set(done.stderr.split())


def test_help_is_shown_without_loading_what_is_slow() -> None:
    shown, loaded = loaded_by("sys.argv = ['asdstream', '--help']; from asdstream.cli.app import main; main()")
    assert "Hears a machine fail" in shown
    assert not SLOW & loaded


def test_a_daemon_that_serves_no_metrics_needs_no_web_server() -> None:
    _, loaded = loaded_by("import asdstream.daemon")
    assert not {"prometheus_client", "starlette", "uvicorn"} & loaded
