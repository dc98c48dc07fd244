"""The units, as systemd itself judges them; Debian 12's version 252 is the oldest that they are meant for."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
WORST_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as `make install` would leave them, with a program where theirs is."""
    shutil.copytree(UNITS, tmp_path / "units")
    for unit in (tmp_path / "units").glob("*.service"):
        unit.write_text(re.sub(r"/opt/asdstream/venv/bin/asdstream", sys.executable, unit.read_text()))
    return tmp_path / "units"


def units() -> list[str]:
    return sorted(path.name for path in UNITS.glob("*.service"))


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("unit", units())
def test_systemd_finds_nothing_to_say_about_the_unit(installed: Path, unit: str) -> None:
    found = analyze("verify", "--man=no", installed / unit)
    # It ends with 0 even where it warns of keys that it does not know.
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_what_systemd_does_not_know_would_be_noticed(installed: Path) -> None:
    unit = installed / "asdstream.service"
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    assert "NoNewPrivilege" in analyze("verify", "--man=no", unit).stderr


@pytest.mark.parametrize("unit", units())
def test_the_unit_has_the_least_privilege(installed: Path, unit: str) -> None:
    found = analyze("security", "--offline=true", installed / unit)
    exposure = re.search(r"Overall exposure level for \S+ ([\d.]+)", found.stdout)
    assert exposure is not None, found.stderr
    assert float(exposure[1]) < WORST_EXPOSURE


def test_compiled_networks_may_run() -> None:
    assert "\nMemoryDenyWriteExecute" not in (UNITS / "asdstream.service").read_text()
