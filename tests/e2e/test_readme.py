"""Every command of the README is run, so that none of them can go stale."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from mosquitto_broker import MosquittoBroker, find_program
from processes import DaemonProcess, asdstream, asdstream_here, program_here
from short_recipe import shortened
from small_bundle import fan_sound

from asdstream import config as configuration
from asdstream.audio.simulator.dataset import ClipCounts, write_dcase
from asdstream.audio.simulator.machine import MachineSpec
from trainer.cli import main as asdtrain

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
TESTED = {
    "make demo": "test_the_two_make_targets_are_there_and_call_what_they_say",
    "make test": "test_the_two_make_targets_are_there_and_call_what_they_say",
    "make install": "test_the_commands_of_the_service",
    "/opt/asdstream/venv/bin/asdstream check -c /etc/asdstream/asdstream.toml": "test_the_commands_of_the_service",
    "systemctl enable --now asdstream": "test_the_commands_of_the_service",
    "asdstream devices": "test_the_commands_of_a_box",
    "asdstream check -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream run -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream bench -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream feed recordings/ --channel fan-1 -c asdstream.toml --speed 10": "test_the_commands_of_a_box",
    "asdstream score recordings/ --bundle builtin:demo --machine-type fan": "test_the_commands_of_a_box",
    "asdstream enroll fan-1 recordings/normal/ -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream references list fan-1 -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream calibrate fan-1 recordings/later/ -c asdstream.toml": "test_the_commands_of_a_box",
    "asdstream alarms list -c asdstream.toml": "test_the_commands_of_a_box",
    "mosquitto_sub -v -t 'asd/v1/+/+/event/alarm'": "test_the_commands_of_a_box",
    "pip install -c constraints.txt -e '.[cpu,train]'": "test_the_install_commands_name_extras_that_exist",
    "asdtrain data ROOT": "test_the_commands_of_training",
    "asdtrain run conf/trainer/system3-tiny.toml --data ROOT --out runs/mine": "test_the_commands_of_training",
    "asdtrain evaluate --bundle runs/mine/bundle --data ROOT --out runs/mine/evaluation": (
        "test_the_commands_of_training"
    ),
    "asdstream bundle info runs/mine/bundle": "test_the_commands_of_training",
}


def command(beginning: str) -> list[str]:
    """The README's command that begins so, split into words without the program's name."""
    (found,) = [line for line in COMMANDS if line.startswith(beginning)]
    return shlex.split(found)[1:]


def test_every_command_of_the_readme_has_its_test_and_no_test_outlives_its_command() -> None:
    assert sorted(COMMANDS) == sorted(TESTED)
    assert set(TESTED.values()) <= set(globals())


@pytest.mark.parametrize(
    ("target", "calls"), [("demo", "bin/asdstream demo"), ("test", "bin/pytest")], ids=["demo", "test"]
)
def test_the_two_make_targets_are_there_and_call_what_they_say(target: str, calls: str) -> None:
    planned = subprocess.run(["make", "-n", target], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert calls in planned
    assert "constraints.txt" in (REPOSITORY / "Makefile").read_text()


def test_the_install_commands_name_extras_that_exist() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    extras = {
        extra for line in COMMANDS for found in re.findall(r"\.\[([a-z,]+)\]", line) for extra in found.split(",")
    }
    assert extras == {"cpu", "train"}
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)


def test_the_commands_of_the_service() -> None:
    """What they do is proved in tests/systemd; here, that they name what `make install` puts in place."""
    installs = subprocess.run(
        ["make", "-n", "install", "DESTDIR=/root"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    program, _, _, configuration = shlex.split(next(line for line in COMMANDS if line.startswith("/opt/")))
    assert str(Path(program).parent) in installs
    assert f"{Path(configuration).parent}/" in installs
    service = shlex.split(next(line for line in COMMANDS if line.startswith("systemctl")))[-1]
    assert f"/etc/systemd/system/{service}.service" in installs


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert configuration.parse(text, tmp_path / "asdstream.toml").channels[0].source.kind == "microphone"


def test_the_configurations_that_ship_are_valid() -> None:
    for name in ("asdstream.toml", "demo.toml"):
        assert configuration.load(REPOSITORY / "conf" / name).channels


@pytest.mark.timeout(240)
def test_the_commands_of_a_box(
    mosquitto: MosquittoBroker,
    make_config: Callable[..., Path],
    run_daemon: Callable[[Path], DaemonProcess],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    normal = tmp_path / "recordings" / "normal"
    normal.mkdir(parents=True)
    soundfile.write(normal / "one.wav", fan_sound(12, seed=31), 16_000, subtype="PCM_16")
    config = make_config('{ kind = "mqtt" }', mosquitto.port)
    assert config.name == "asdstream.toml"
    monkeypatch.chdir(tmp_path)

    assert asdstream(*command("asdstream devices")).returncode == 0
    assert asdstream_here(*command("asdstream check")).returncode == 0
    assert "resident memory" in asdstream_here(*command("asdstream bench"), "--channels", "1", "--seconds", "2").stdout
    daemon = run_daemon(Path(command("asdstream run")[-1]))
    daemon.wait_for("mqtt_connected")
    assert asdstream_here(*command("asdstream feed")).returncode == 0
    enrolled = asdstream_here(*command("asdstream enroll"))
    assert "now has 1 references" in enrolled.stdout
    daemon.wait_for("references_taken_up")
    assert "one.wav" in asdstream_here(*command("asdstream references")).stdout
    later = tmp_path / "recordings" / "later"
    later.mkdir()
    soundfile.write(later / "two.wav", fan_sound(150, seed=32), 16_000, subtype="PCM_16")
    calibrated = asdstream_here(*command("asdstream calibrate"))
    assert "threshold" in calibrated.stdout, calibrated.stderr
    assert asdstream_here(*command("asdstream alarms")).returncode == 0
    scored = asdstream_here(*command("asdstream score"))
    assert scored.returncode == 0
    assert "one.wav" in scored.stdout
    watching = subprocess.Popen(
        [find_program("mosquitto_sub"), "-p", str(mosquitto.port), *command("mosquitto_sub")],
        stdout=subprocess.PIPE,
        text=True,
    )
    topic = "asd/v1/plant/line-1/event/alarm"
    publish = [find_program("mosquitto_pub"), "-p", str(mosquitto.port), "-t", topic, "-m", "seen", "-r"]
    subprocess.run(publish, check=True)
    assert watching.stdout is not None
    assert watching.stdout.readline().strip() == f"{topic} seen"
    watching.terminate()
    watching.wait(5)
    assert daemon.stop()[0] == 0


@pytest.mark.timeout(700)
def test_the_commands_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "ROOT"
    specs = [MachineSpec("fan", identity=1, speed_rpm=speed) for speed in (1400.0, 1500.0)]
    counts = ClipCounts(source_train=24, target_train=3, test=2)
    write_dcase(root, specs, [MachineSpec("fan", identity=1, snr_db=8.0)], counts=counts, audio_format="flac")
    shipped = REPOSITORY / "conf" / "trainer" / "system3-tiny.toml"
    recipe = tmp_path / "conf" / "trainer" / shipped.name
    recipe.parent.mkdir(parents=True)
    recipe.write_text(shortened(shipped, held_out=0.45))
    monkeypatch.chdir(tmp_path)

    listed = program_here(asdtrain, "asdtrain", *command("asdtrain data"))
    assert "fan" in listed.stdout
    trained = program_here(asdtrain, "asdtrain", *command("asdtrain run"), "--workers", 0)
    assert trained.returncode == 0, trained.stderr
    evaluated = program_here(asdtrain, "asdtrain", *command("asdtrain evaluate"))
    assert evaluated.returncode == 0, evaluated.stderr
    assert (tmp_path / "runs/mine/evaluation/anomaly_score_fan_section_00_test.csv").is_file()
    shown = asdstream_here(*command("asdstream bundle info"))
    assert "fan" in shown.stdout
    assert (tmp_path / "runs/mine/summary.json").is_file()
