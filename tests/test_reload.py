import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from asdstream.alarms.command import CommandRefusedError
from asdstream.config import Config
from asdstream.errors import AsdstreamError
from asdstream.reload import Reload
from asdstream.service_manager import ServiceManager

TEXT = """
[site]
name = "plant"
node = "line-1"
[mqtt]
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = { kind = "simulator" }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "asdstream.toml").write_text(TEXT)
    return tmp_path / "asdstream.toml"


def reload_of(path: Path, wrong: str | None = None) -> Reload:
    def check(_config: Config) -> None:
        if wrong is not None:
            raise AsdstreamError(wrong)

    return Reload(path, check, ServiceManager({}))


def test_nothing_is_read_before_it_is_asked_for(path: Path) -> None:
    path.unlink()
    assert not reload_of(path).accepted()


def test_a_right_configuration_is_taken_once(path: Path) -> None:
    reload = reload_of(path)
    asked = reload.ask()
    assert reload.accepted()
    assert asked.result(0) is None
    taken = reload.taken()
    assert taken is not None
    assert taken.site.node == "line-1"
    assert reload.taken() is None
    assert not reload.accepted()


def test_a_signal_asks_as_well(path: Path) -> None:
    reload = reload_of(path)
    reload.signalled()
    assert reload.accepted()
    assert not reload.accepted()


@pytest.mark.parametrize("broken", ["text", "bundle"])
def test_what_is_wrong_is_refused_whole_and_told_to_whoever_asked(path: Path, broken: str) -> None:
    if broken == "text":
        path.write_text(TEXT.replace("simulator", "gramophone"))
    reload = reload_of(path, "the bundle is damaged" if broken == "bundle" else None)
    asked: list[Future[None]] = [reload.ask(), reload.ask()]
    assert not reload.accepted()
    assert reload.taken() is None
    for outcome in asked:
        with pytest.raises(CommandRefusedError, match=r"goes on as it was: .*(gramophone|bundle is damaged)"):
            outcome.result(0)


@pytest.fixture
def nothing_is_collected_by_itself() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.usefixtures("nothing_is_collected_by_itself")
def test_what_was_only_looked_at_is_not_kept_in_memory(path: Path, wrong: bool) -> None:
    made: list[weakref.ref[Circle]] = []

    def check(_config: Config) -> None:
        circle = Circle()
        made.append(weakref.ref(circle))
        if wrong:
            raise AsdstreamError("the bundle is damaged")

    reload = Reload(path, check, ServiceManager({}))
    reload.ask()
    assert reload.accepted() != wrong
    (looked_at,) = made
    assert looked_at() is None
