"""`make install` and `make uninstall`, below another root, with a Python that only pretends to install packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PRETENDER = f"""#!{sys.executable}
import pathlib, shutil, sys
arguments = sys.argv[1:]
if arguments[:2] == ["-m", "venv"]:
    programs = pathlib.Path(arguments[2]) / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    shutil.copy(__file__, programs / "python")
elif arguments[:2] == ["-m", "pip"]:
    program = pathlib.Path(__file__).parent / "asdstream"
    program.write_text(" ".join(arguments))
    program.chmod(0o755)
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "python"
    path.write_text(PRETENDER)
    path.chmod(0o755)
    return path


def make(target: str, root: Path, python: Path, *more: str) -> str:
    command = ["make", "--no-print-directory", target, f"DESTDIR={root}", f"PYTHON={python}", *more]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_program_configuration_and_service_are_put_in_place(tmp_path: Path, python: Path) -> None:
    root = tmp_path / "root"
    said = make("install", root, python, "DEVICE=gpu")
    assert "systemctl enable --now asdstream" in said
    assert "-c constraints.txt .[gpu,dashboard]" in (root / "opt/asdstream/venv/bin/asdstream").read_text()
    unit = (root / "etc/systemd/system/asdstream.service").read_text()
    assert "ExecStart=/opt/asdstream/venv/bin/asdstream run -c /etc/asdstream/asdstream.toml" in unit
    assert "WantedBy=multi-user.target" in unit
    dashboard = (root / "etc/systemd/system/asdstream-dashboard.service").read_text()
    assert "ExecStart=/opt/asdstream/venv/bin/asdstream dashboard -c /etc/asdstream/asdstream.toml" in dashboard
    assert "systemctl enable --now asdstream-dashboard" in said
    assert (root / "etc/systemd/system/asdstream.service.d/gpu.conf").is_file()
    assert (root / "etc/asdstream/credentials").stat().st_mode & 0o077 == 0


def test_a_second_installation_leaves_the_configuration_alone_and_an_uninstall_too(
    tmp_path: Path, python: Path
) -> None:
    root = tmp_path / "root"
    make("install", root, python)
    configuration = root / "etc/asdstream/asdstream.toml"
    configuration.write_text("# of this box")
    make("install", root, python)
    assert configuration.read_text() == "# of this box"
    said = make("uninstall", root, python)
    assert configuration.read_text() == "# of this box"
    assert "/var/lib/asdstream are still there" in said
    assert not (root / "opt/asdstream").exists()
    assert list((root / "etc/systemd/system").iterdir()) == []


def test_other_places_are_written_into_the_units(tmp_path: Path, python: Path) -> None:
    make("install", tmp_path / "root", python, "PREFIX=/srv/ears", "SYSCONF=/srv/etc")
    for name, command in (("asdstream", "run"), ("asdstream-dashboard", "dashboard")):
        unit = (tmp_path / f"root/etc/systemd/system/{name}.service").read_text()
        assert f"/srv/ears/venv/bin/asdstream {command} -c /srv/etc/asdstream.toml" in unit
        assert "/opt/asdstream" not in unit


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_who_may_not_write_there_is_told_to_be_root() -> None:
    done = subprocess.run(["make", "install"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "run it as root" in done.stdout
