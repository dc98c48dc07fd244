"""What every test may ask for: the conformance vectors, and the real recordings where they are at hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from mosquitto_broker import MosquittoBroker
from real_recordings import recordings_dir
from small_bundle import make_small_bundle

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def log_as_it_comes() -> None:
    """A command that ran in this process has set the level, and a stream that may be closed since."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def conformance_dir() -> Path:
    """Numbers computed with the public reference implementations; see the README there."""
    return REPOSITORY / "tests" / "conformance"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real recordings, whose licences keep them out of the repository."""
    directory = recordings_dir()
    if not directory.is_dir():
        pytest.skip(f"real recordings are not at hand: {directory} does not exist (set ASDSTREAM_TEST_DATA)")
    return directory


@pytest.fixture
def mosquitto_with(tmp_path: Path) -> Iterator[Callable[..., MosquittoBroker]]:
    """Makes brokers with further settings, to be started by the test; they end with it."""
    made: list[MosquittoBroker] = []

    def make(*settings: str, **options: bool) -> MosquittoBroker:
        made.append(MosquittoBroker(tmp_path, settings, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.stop(kill=True)


@pytest.fixture
def mosquitto(mosquitto_with: Callable[..., MosquittoBroker]) -> MosquittoBroker:
    """A real broker, running, on a loopback port of its own; anonymous, nothing kept on disk."""
    broker = mosquitto_with()
    broker.start()
    return broker


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained encoder that knows one simulated fan; see `small_bundle.py`."""
    path = tmp_path_factory.mktemp("bundles") / "small"
    make_small_bundle(path)
    return path
