"""What every test may ask for: the conformance vectors, and the real recordings where they are at hand."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def conformance_dir() -> Path:
    """Numbers computed with the public reference implementations; see the README there."""
    return REPOSITORY / "tests" / "conformance"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real recordings, whose licences keep them out of the repository."""
    directory = Path(os.environ.get("ASDSTREAM_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip(f"real recordings are not at hand: {directory} does not exist (set ASDSTREAM_TEST_DATA)")
    return directory
