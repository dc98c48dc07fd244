"""One plant for each kind of fault."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.forked_daemon import Launcher
from faults.plant import Plant, write_recordings


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    made = Launcher(tmp_path_factory.mktemp("launcher"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    write_recordings(folder)
    return folder


@pytest.fixture
def plant(tmp_path: Path, small_bundle: Path, played: Path, launcher: Launcher) -> Iterator[Plant]:
    made = Plant(tmp_path, small_bundle, played, launcher)
    yield made
    made.stop()


REPORTED = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Have something said at the end of the run: what was counted is worth knowing also when all is well."""

    def tell(what: object, **more: object) -> None:
        facts = "".join(f", {name.replace('_', ' ')}: {value}" for name, value in more.items())
        request.config.stash.setdefault(REPORTED, []).append(f"{request.node.name}: {what}{facts}")

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the tests of faults have counted."""
    for line in config.stash.get(REPORTED, []):
        terminalreporter.write_line(line)
