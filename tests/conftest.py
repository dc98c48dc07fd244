"""What every test may ask for: the conformance vectors, and the real recordings where they are at hand."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import torch
from hypothesis import settings
from mosquitto_broker import MosquittoBroker
from real_recordings import recordings_dir
from small_bundle import make_small_bundle

REPOSITORY = Path(__file__).resolve().parent.parent

# A change is judged by examples that do not change; `make test-all` draws new ones every time.
settings.register_profile("the-same", derandomize=True)
settings.load_profile("the-same")


def start_afresh() -> None:
    """What others that ran in this process have set: a log's level and stream, which may be closed since; torch's
    threads, of whose number the last bits of sums depend; its random numbers."""
    structlog.reset_defaults()
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before fixtures of any scope: a run that a file's tests share finds the same whatever ran before."""
    start_afresh()


@pytest.fixture(autouse=True)
def as_if_alone() -> Iterator[None]:
    """A test finds the process as it would be without any other, and without the making of what it shares."""
    start_afresh()
    environment = dict(os.environ)
    yield
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment.items() - os.environ.items())


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
