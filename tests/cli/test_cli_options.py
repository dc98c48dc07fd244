"""What commands find out by themselves: the configuration, and who acts."""

from pathlib import Path

import pytest
from processes import asdstream_here

from asdstream.cli import options
from asdstream.cli.asking import actor_of


@pytest.mark.parametrize("command", ["check", "dashboard"])
def test_a_configuration_that_this_user_may_not_see_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any error of the system will do: whoever runs the tests may be allowed everything.
    hidden = tmp_path / ("long" * 100) / "asdstream.toml"
    monkeypatch.setattr(options, "PLACES", (tmp_path / "none.toml", hidden))
    done = asdstream_here(command)
    assert done.returncode == 78
    assert done.stderr == f"asdstream: {hidden}: cannot be read: File name too long\n"


def test_where_no_configuration_is_found_the_places_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "PLACES", (tmp_path / "one.toml", tmp_path / "two.toml"))
    done = asdstream_here("check")
    assert done.returncode == 78
    assert f"neither {tmp_path}/one.toml nor {tmp_path}/two.toml exists" in done.stderr


def test_who_has_no_name_on_this_box_acts_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert actor_of(None) == "uid 1234"
    assert actor_of("ann") == "ann"
