"""The folder that results go to."""

import tempfile
from pathlib import Path

from trainer.errors import TrainerError


def made_out_folder(path: Path) -> Path:
    """Make it, if it is not there, and see that files can be written: before hours are spent on what goes there.

    Raises TrainerError where they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TrainerError(f"--out {path} cannot be written to: {reason}; name a folder that can") from error
