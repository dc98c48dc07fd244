"""The commands of README and docs are run, so that none can go stale; `test_documents.py` says where."""

import io
import os
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from documents import REPOSITORY, blocks, commands
from mosquitto_broker import MosquittoBroker, find_program, free_port
from processes import DaemonProcess, asdstream, asdstream_here, program_here, wait_until
from short_recipe import shortened
from small_bundle import fan_sound

from asdstream.audio.simulator.dataset import ClipCounts, write_dcase
from asdstream.audio.simulator.machine import MachineSpec
from trainer.cli import main as asdtrain

PASSWORD = "correct horse"  # noqa: S105
ROOT = "asd/v1/plant-1/press-hall"


def command(beginning: str) -> list[str]:
    """The one command that begins so, split into words without the program's name."""
    (found,) = [line for line in commands() if line.startswith(beginning)]
    return shlex.split(found)[1:]


@pytest.mark.parametrize(
    ("target", "calls"),
    [
        ("demo", "bin/asdstream demo"),
        ("test", "bin/pytest"),
        ("install", "-c constraints.txt '.[cpu,dashboard]'"),
        ("install DEVICE=gpu", "-c constraints.txt '.[gpu,dashboard]'"),
        ("uninstall", "rm -rf"),
    ],
)
def test_the_make_targets_are_there_and_call_what_they_say(target: str, calls: str) -> None:
    assert f"make {target}" in commands()
    planned = subprocess.run(
        ["make", "-n", *target.split(), "DESTDIR=/root"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert calls in planned
    assert "constraints.txt" in (REPOSITORY / "Makefile").read_text()


def test_the_install_commands_name_packages_and_extras_that_exist() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    extras = {
        extra for line in commands() for found in re.findall(r"\.\[([a-z,]+)\]", line) for extra in found.split(",")
    }
    assert extras == {"cpu", "train"}
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)
    of_the_tests = re.search(r"^DEBIAN_PACKAGES := (.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert of_the_tests is not None
    # What the tests need of the system, but for the browser, a box needs too.
    assert set(of_the_tests[1].split()) - {"chromium"} <= set(command("apt-get"))


def test_the_commands_of_the_service() -> None:
    """What they do is proved in tests/systemd; here, that they name what `make install` puts in place."""
    installs = subprocess.run(
        ["make", "-n", "install", "DESTDIR=/root"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    program, _, _, configuration = shlex.split(next(line for line in commands() if line.startswith("/opt/")))
    assert str(Path(program).parent) in installs
    assert f"{Path(configuration).parent}/" in installs
    assert command("asdstream bench -c /etc")[-1] == configuration
    assert command("export PATH")[-1].removeprefix("PATH=").split(":")[0] == str(Path(program).parent)
    assert "/etc/asdstream/credentials" in installs
    assert "for unit in asdstream asdstream-dashboard" in installs
    named = {shlex.split(line)[-1] for line in commands() if line.startswith("systemctl")}
    named |= {shlex.split(line)[2] for line in commands() if line.startswith("journalctl")}
    assert named == {"asdstream", "asdstream-dashboard", "mosquitto", "nvidia-persistenced"}
    for unit in ("asdstream", "asdstream-dashboard"):
        text = (REPOSITORY / "systemd" / f"{unit}.service").read_text()
        assert f"StateDirectory={unit}\n" in text
        assert "LoadCredential=asdstream:/etc/asdstream/credentials" in text
    assert "ExecReload=" in (REPOSITORY / "systemd" / "asdstream.service").read_text()


def test_the_commands_that_make_a_broker_and_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mosquitto_with: Callable[..., MosquittoBroker]
) -> None:
    """docs/install.md, line by line, below another root; then the daemon's configuration from there gets in."""
    root, sources = tmp_path / "root", tmp_path / "sources"
    for folder in ("etc/mosquitto/certs", "etc/mosquitto/conf.d", "etc/asdstream/credentials", "var/lib/asdstream"):
        (root / folder).mkdir(parents=True)
    sources.mkdir()
    (sources / "conf").symlink_to(REPOSITORY / "conf")

    def here(text: str) -> str:
        return re.sub(r"(?<![\w.])/(etc|var)/", rf"{root}/\1/", text)

    written = "\n".join(text for name, text in blocks("sh") if name == "docs/install.md").splitlines()
    lines = [re.split(r"  #", line)[0].strip() for line in written]
    done = 0
    for line in lines:
        if not line.startswith(("openssl", "echo", "install ", "cp ", "mosquitto_passwd", "chown")):
            continue
        text = here(line).replace("chown mosquitto:", f"chown {os.getuid()}:{os.getgid()}")
        if text.startswith("mosquitto_passwd"):
            program, _, rest = text.partition(" ")
            text = f"{find_program(program)} -b {rest} '{PASSWORD}'"
        ran = subprocess.run(
            ["bash", "-c", text], cwd=sources, input=f"{PASSWORD}\n", capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{line}: {ran.stderr}"
        done += 1
    assert done == 14
    credentials = root / "etc/asdstream/credentials"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    user, _, users = " ".join(command("asdstream dashboard --new-user")).partition(" >> ")
    assert here(users) == str(credentials / "users")
    Path(here(users)).write_text(asdstream_here(*shlex.split(user)).stdout)
    assert {file.name for file in credentials.iterdir()} == {"mqtt-password", "dashboard-password", "ca.pem", "users"}

    settings = here((root / "etc/mosquitto/conf.d/asdstream.conf").read_text()).replace("listener 8883\n", "")
    broker = mosquitto_with(*settings.splitlines(), allow_anonymous=False)
    broker.start()
    daemons, webs = [text for name, text in blocks("toml") if name == "docs/install.md"]
    text = re.sub(r'\{ kind = "microphone".*\}', '{ kind = "mqtt" }', daemons + webs)
    config = sources / "asdstream.toml"
    config.write_text(text.replace("port = 8883", f"port = {broker.port}"))
    for setting in command("export STATE_DIRECTORY"):
        monkeypatch.setenv(setting.partition("=")[0], here(setting.partition("=")[2]))
    monkeypatch.chdir(sources)
    checked = asdstream_here("check")
    assert checked.returncode == 0, checked.stdout
    assert f"ok    store: {root}/var/lib/asdstream/asdstream.db will be made" in checked.stdout
    assert f"{broker.port} answers" in checked.stdout


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
    metrics_port = free_port()
    config.write_text(config.read_text().replace("[store]", f"[metrics]\nport = {metrics_port}\n[store]"))
    monkeypatch.chdir(tmp_path)

    assert asdstream(*command("asdstream devices")).returncode == 0
    assert asdstream_here(*command("asdstream check -c")).returncode == 0
    bench = command("asdstream bench -c asdstream.toml")
    assert "resident memory" in asdstream_here(*bench, "--channels", "1", "--seconds", "2").stdout
    daemon = run_daemon(Path(command("asdstream run")[-1]))
    daemon.wait_for("mqtt_connected")
    fed = [line for line in commands() if line.startswith("asdstream feed")]
    assert shlex.split(fed[1]) == [*shlex.split(fed[0]), "--speed", "10"]
    assert asdstream_here(*shlex.split(fed[1])[1:]).returncode == 0
    _references_and_threshold(daemon, tmp_path / "recordings")
    _alarms_by_command(mosquitto)
    urls = [shlex.split(line)[-1].replace("9464", str(metrics_port)) for line in commands() if line.startswith("curl")]
    assert len(urls) == 3
    assert wait_until(lambda: all(_answers(url) for url in urls))
    scored = asdstream_here(*command("asdstream score recordings/ "))
    assert scored.returncode == 0
    assert "one.wav" in scored.stdout
    assert daemon.stop()[0] == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _references_and_threshold(daemon: DaemonProcess, recordings: Path) -> None:
    enrolled = asdstream_here(*command("asdstream enroll fan-1 recordings"))
    assert "now has 1 references" in enrolled.stdout
    daemon.wait_for("references_taken_up")
    listed = asdstream_here(*command("asdstream references list"))
    assert "one.wav" in listed.stdout
    label = re.findall(r"^(\S{26})  ", enrolled.stdout, re.MULTILINE)[0]
    removed = [label if word == "LABEL" else word for word in command("asdstream references remove")]
    assert "0 references, revision 2" in asdstream_here(*removed).stdout
    assert "1 references, revision 3" in asdstream_here(*command("asdstream references rollback fan-1 1")).stdout
    later = recordings / "later"
    later.mkdir()
    soundfile.write(later / "two.wav", fan_sound(10, seed=32), 16_000, subtype="PCM_16")
    assert "two.wav" in asdstream_here(*command("asdstream score recordings/later/")).stdout
    soundfile.write(later / "two.wav", fan_sound(130, seed=32), 16_000, subtype="PCM_16")
    kept = command("asdstream calibrate fan-1 recordings/later/ --save")
    assert [word for word in kept if word != "--save"] == command("asdstream calibrate fan-1 recordings/later/ -c")
    calibrated = asdstream_here(*kept)
    assert "threshold" in calibrated.stdout, calibrated.stderr
    assert "Kept 2 minutes" in calibrated.stdout
    assert "decided by" in asdstream_here(*command("asdstream calibrate fan-1 -c")).stdout
    # Two minutes are for the calibration alone; all that stays is scored later on.
    (later / "two.wav").unlink()
    assert "0 references, revision 5" in asdstream_here(*command("asdstream references rollback fan-1 0")).stdout


def _alarms_by_command(broker: MosquittoBroker) -> None:
    assert asdstream_here(*command("asdstream alarms list -c")).returncode == 0
    done = {}
    for verb in ("shelve", "unshelve", "out-of-service", "in-service", "ack", "reset"):
        ran = asdstream_here(*command(f"asdstream alarms {verb}"))
        done[verb] = ran.stdout or ran.stderr
    assert "fan-1.anomaly does not stand, shelved until" in done["shelve"]
    assert "out of service by" in done["out-of-service"]
    # No sound comes in since the recordings have ended.
    assert "fan-1.anomaly does not stand" in done["unshelve"]
    assert "shelved" not in done["unshelve"]
    assert "fan-1.anomaly does not stand" in done["in-service"]
    assert "out of service" not in done["in-service"]
    assert "refused: fan-1.anomaly cannot be acknowledged: it does not stand" in done["ack"]
    assert "refused: fan-1.anomaly cannot be reset: it is not latched" in done["reset"]

    def started(words: list[str]) -> subprocess.Popen[str]:
        here = [word.replace(ROOT, "asd/v1/plant/line-1") for word in words]
        program = [find_program(here[0]), "-p", str(broker.port), *here[1:]]
        return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)

    watching = [started(shlex.split(line)) for line in commands() if line.startswith("mosquitto_sub")]
    assert len(watching) == 2
    try:
        assert wait_until(lambda: broker.log.count("Received SUBSCRIBE from auto-") >= 2)
        assert started(["mosquitto_pub", *command("mosquitto_pub")]).wait(10) == 0
        # Either may hear of other alarms before.
        heard = {_line_with(('"transition":"shelved"', '"transaction":"t-1"'), process) for process in watching}
    finally:
        for process in watching:
            process.terminate()
            process.wait(30)
    assert any("asd/v1/plant/line-1/event/alarm" in line and '"transition":"shelved"' in line for line in heard), heard
    assert any('"transaction":"t-1"' in line and '"ok"' in line for line in heard), heard


def _line_with(words: tuple[str, ...], process: subprocess.Popen[str]) -> str:
    """The first line that a process says with one of the words in it."""
    assert process.stdout is not None
    return next((line for line in process.stdout if any(word in line for word in words)), "")


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
    trained = program_here(asdtrain, "asdtrain", *command("asdtrain run conf/trainer/system3-tiny"), "--workers", 0)
    assert trained.returncode == 0, trained.stderr
    evaluated = program_here(asdtrain, "asdtrain", *command("asdtrain evaluate --bundle"))
    assert evaluated.returncode == 0, evaluated.stderr
    assert (tmp_path / "runs/mine/evaluation/anomaly_score_fan_section_00_test.csv").is_file()
    shown = asdstream_here(*command("asdstream bundle info"))
    assert "fan" in shown.stdout
    assert (tmp_path / "runs/mine/summary.json").is_file()
    assert asdstream_here(*command("asdstream bundle verify")).returncode == 0
    alone = program_here(asdtrain, "asdtrain", *command("asdtrain stage"), "--workers", 0)
    assert alone.returncode == 0, alone.stderr
    exported = program_here(asdtrain, "asdtrain", *command("asdtrain export"))
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "bundles/mine/bundle.json").is_file()


def test_the_command_of_the_measurement_names_options_that_there_are() -> None:
    script, *words = command("python benchmarks/")
    text = (REPOSITORY / script).read_text()
    assert all(f'add_argument("{word}"' in text for word in words if word.startswith("--"))
