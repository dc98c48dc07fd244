"""Where a service keeps its state."""

import os
from pathlib import Path


def state_directory() -> Path | None:
    """systemd's state directory, the first of several; None where there is none."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(folder) if folder else None
