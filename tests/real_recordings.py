"""Where real recordings are looked for; their licences keep them out of the repository."""

import os
from pathlib import Path


def recordings_dir() -> Path:
    """The folder that holds them, if it exists: ASDSTREAM_TEST_DATA, else `shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("ASDSTREAM_TEST_DATA", beside))
