"""What a command costs before it does anything."""

import subprocess
import sys

from processes import ENVIRONMENT

SLOW = {"PIL", "faiss", "prometheus_client", "soundfile", "sounddevice", "starlette", "torch", "uvicorn"}


def test_help_is_shown_without_loading_what_is_slow() -> None:
    script = (
        "import sys\n"
        "from asdstream.cli.app import main\n"
        "sys.argv = ['asdstream', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Hears a machine fail" in done.stdout
    assert not SLOW & set(done.stderr.split())
