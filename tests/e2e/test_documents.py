"""README and docs: every command is known to a test, every link leads somewhere, every example can be read."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
import yaml
from documents import DOCUMENTS, REPOSITORY, anchors, blocks, commands, links, mentioned
from typer.core import TyperGroup

from asdstream import config as configuration
from asdstream.cli.app import app as asdstream
from asdstream.mqtt.commands import VERBS, CommandError, read_command
from asdstream.mqtt.contract.messages import MESSAGES
from trainer.cli import app as asdtrain

READ = "tests/e2e/test_readme.py::"
TRAINER = "tests/trainer/test_trainer_"
TESTED = {
    f"{READ}test_the_make_targets_are_there_and_call_what_they_say": [
        "make demo",
        "make test",
        "make install",
        "make install DEVICE=gpu",
        "make uninstall",
    ],
    f"{READ}test_the_commands_of_the_service": [
        "/opt/asdstream/venv/bin/asdstream check -c /etc/asdstream/asdstream.toml",
        "export PATH=/opt/asdstream/venv/bin:$PATH",
        "asdstream bench -c /etc/asdstream/asdstream.toml",
        "systemctl enable --now asdstream",
        "systemctl enable --now asdstream-dashboard",
        "systemctl enable --now nvidia-persistenced",
        "systemctl reload asdstream",
        "systemctl restart mosquitto",
        "systemctl status asdstream",
        "journalctl -u asdstream -o cat -f",
        "journalctl -u asdstream -o cat --since today",
        "journalctl -u asdstream-dashboard -o cat --since today",
    ],
    f"{READ}test_the_install_commands_name_packages_and_extras_that_exist": [
        "apt-get install make python3-venv libportaudio2 mosquitto mosquitto-clients openssl",
        "pip install -c constraints.txt -e '.[cpu,train]'",
    ],
    f"{READ}test_the_commands_that_make_a_broker_and_its_secrets": [
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 "
        '-subj "/CN=plant-1 authority" '
        "-addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt",
        'openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=broker" -keyout broker.key '
        "-out broker.csr",
        'echo "subjectAltName=DNS:broker.plant-1.example,IP:127.0.0.1" > broker.names',
        "openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile broker.names "
        "-out broker.crt",
        "install -m 0644 ca.crt broker.crt /etc/mosquitto/certs/",
        "install -m 0600 broker.key /etc/mosquitto/certs/",
        "cp conf/mosquitto/asdstream.conf /etc/mosquitto/conf.d/",
        "cp conf/mosquitto/asdstream.acl /etc/mosquitto/",
        "mosquitto_passwd -c /etc/mosquitto/asdstream.passwd asdstream",
        "mosquitto_passwd /etc/mosquitto/asdstream.passwd dashboard",
        "chown mosquitto: /etc/mosquitto/asdstream.passwd /etc/mosquitto/certs/broker.key",
        "install -m 0600 /dev/stdin /etc/asdstream/credentials/mqtt-password",
        "install -m 0600 /dev/stdin /etc/asdstream/credentials/dashboard-password",
        "install -m 0600 ca.crt /etc/asdstream/credentials/ca.pem",
        "asdstream dashboard --new-user ann >> /etc/asdstream/credentials/users",
        "export STATE_DIRECTORY=/var/lib/asdstream CREDENTIALS_DIRECTORY=/etc/asdstream/credentials",
        "asdstream check",
    ],
    f"{READ}test_the_commands_of_a_box": [
        "asdstream devices",
        "asdstream check -c asdstream.toml",
        "asdstream run -c asdstream.toml",
        "asdstream bench -c asdstream.toml",
        "asdstream feed recordings/ --channel fan-1 -c asdstream.toml --speed 10",
        "asdstream feed recordings/ --channel fan-1 -c asdstream.toml",
        "asdstream score recordings/ --bundle builtin:demo --machine-type fan",
        "asdstream score recordings/later/ --machine fan-1 -c asdstream.toml",
        "asdstream enroll fan-1 recordings/normal/ -c asdstream.toml",
        "asdstream references list fan-1 -c asdstream.toml",
        "asdstream references remove fan-1 LABEL -c asdstream.toml",
        "asdstream references rollback fan-1 1 -c asdstream.toml",
        "asdstream references rollback fan-1 0 -c asdstream.toml",
        "asdstream calibrate fan-1 recordings/later/ -c asdstream.toml",
        "asdstream calibrate fan-1 recordings/later/ --save -c asdstream.toml",
        "asdstream calibrate fan-1 -c asdstream.toml",
        "asdstream alarms list -c asdstream.toml",
        "asdstream alarms list",
        "asdstream alarms ack fan-1.anomaly -c asdstream.toml",
        "asdstream alarms shelve fan-1.anomaly --minutes 60 -c asdstream.toml",
        "asdstream alarms unshelve fan-1.anomaly -c asdstream.toml",
        "asdstream alarms reset fan-1.anomaly -c asdstream.toml",
        "asdstream alarms out-of-service fan-1.anomaly -c asdstream.toml",
        "asdstream alarms in-service fan-1.anomaly -c asdstream.toml",
        "mosquitto_sub -v -t 'asd/v1/+/+/event/alarm'",
        "mosquitto_sub -t 'asd/v1/plant-1/press-hall/reply/+'",
        'mosquitto_pub -q 1 -t asd/v1/plant-1/press-hall/cmd/shelve -m \'{"transaction": "t-1", "actor": "ann", '
        '"args": {"alarm_id": "fan-1.anomaly", "seconds": 3600}}\'',
        "curl http://127.0.0.1:9464/metrics",
        "curl http://127.0.0.1:9464/healthz",
        "curl http://127.0.0.1:9464/readyz",
    ],
    "tests/e2e/test_commands.py::test_live_sound_that_raises_the_alarm_is_a_reference_only_when_forced": [
        "asdstream enroll fan-1 --live 60s -c asdstream.toml",
    ],
    "tests/doctor/test_doctor_findings.py::"
    "test_a_box_where_all_is_well_passes_and_the_archive_holds_what_a_helper_needs": [
        "asdstream doctor",
        "asdstream doctor -c asdstream.toml",
        "asdstream doctor --quick",
        "asdstream doctor --bundle support.zip",
    ],
    "tests/web/test_web_dashboard.py::"
    "test_the_configuration_of_a_daemon_serves_as_it_is_and_its_own_parts_are_not_looked_at": [
        "asdstream dashboard -c asdstream.toml",
    ],
    f"{READ}test_the_commands_of_training": [
        "asdtrain data ROOT",
        "asdtrain run conf/trainer/system3-tiny.toml --data ROOT --out runs/mine",
        "asdtrain stage fusion conf/trainer/system3-tiny.toml --data ROOT --out runs/mine",
        "asdtrain export runs/mine --out bundles/mine",
        "asdtrain evaluate --bundle runs/mine/bundle --data ROOT --out runs/mine/evaluation",
        "asdstream bundle info runs/mine/bundle",
        "asdstream bundle verify runs/mine/bundle",
    ],
    f"{TRAINER}stages.py::test_a_bundle_starts_the_encoders_of_another_recipe": [
        "asdtrain run conf/trainer/adapt.toml --start builtin:default --data ROOT --out runs/adapted",
    ],
    f"{TRAINER}stages.py::test_published_checkpoints_start_the_encoders_and_leave_their_licence": [
        "asdtrain run conf/trainer/system3.toml --data DCASE2025 --more-data DCASE2024 --noise NOISE --audiomae FILE "
        "--beats FILE",
    ],
    f"{TRAINER}stages.py::test_two_processes_make_the_bundle_of_one": [
        "torchrun --nproc-per-node 2 -m trainer run conf/trainer/system3.toml --data DCASE2025 --audiomae FILE "
        "--beats FILE",
    ],
    f"{TRAINER}checkpoint_command.py::test_it_tells_kind_hash_and_licence": ["asdtrain checkpoint FILE"],
    f"{TRAINER}baseline.py::test_the_baseline_writes_the_official_files_and_every_figure_for_each_mode": [
        "asdtrain baseline --data ROOT --out runs/baseline --epochs 20",
    ],
    f"{TRAINER}evaluation.py::test_several_systems_are_set_side_by_side": [
        "asdtrain evaluate --systems builtin:default runs/mine/bundle runs/baseline/mse --data ROOT "
        "--out runs/compared",
    ],
    f"{TRAINER}ablation.py::test_without_data_the_machines_are_simulated": [
        "asdtrain ablate --bundle runs/mine/bundle --out runs/ablation",
    ],
    f"{TRAINER}separation.py::test_the_report_holds_every_clip_at_every_ratio_and_is_the_same_again": [
        "asdtrain separation --bundle runs/mine/bundle --clean ROOT --noise NOISE --out runs/separation",
    ],
    f"{READ}test_the_command_of_the_measurement_names_options_that_there_are": [
        "python benchmarks/streaming_separation.py --separator runs/mine/weights/separators-all.safetensors "
        "--data recordings --json streaming.json --figure docs/streaming-separation.svg",
    ],
}
"""By test, the commands that it runs, or those whose like it runs."""


def test_every_command_has_its_test_and_no_test_outlives_its_command() -> None:
    assert commands() == sorted(command for known in TESTED.values() for command in known)


@pytest.mark.parametrize("test", TESTED)
def test_the_tests_of_commands_are_there(test: str) -> None:
    path, name = test.split("::")
    assert f"def {name}(" in (REPOSITORY / path).read_text()


def test_every_command_of_ours_has_the_options_that_it_is_written_with() -> None:
    ours = [one for one in (*commands(), *mentioned()) if re.match(r"(\S+/)?asd(stream|train) ", one)]
    assert len(ours) > 60
    for command in ours:
        program, *words = shlex.split(command.partition(" >")[0])
        found = typer.main.get_command({"asdstream": asdstream, "asdtrain": asdtrain}[Path(program).name])
        while isinstance(found, TyperGroup) and words and not words[0].startswith("-"):
            assert words[0] in found.commands, command
            found = found.commands[words.pop(0)]
        known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, command


def test_every_link_and_picture_leads_somewhere() -> None:
    for document, target in links():
        path, _, anchor = target.partition("#")
        place = (REPOSITORY / document).parent / path if path else REPOSITORY / document
        assert place.exists(), f"{document}: {target}"
        assert not anchor or anchor in anchors(place.read_text()), f"{document}: {target}"


def test_every_page_is_found_from_the_index() -> None:
    index = {target for document, target in links() if document == "docs/README.md"}
    pages = {name.removeprefix("docs/") for name in DOCUMENTS if name.startswith("docs/")} - {"README.md"}
    assert pages <= index


@pytest.mark.parametrize(("document", "text"), blocks("toml"))
def test_every_configuration_is_valid_as_it_stands_or_with_a_channel(
    document: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for secret in re.findall(r'_file = "([^"]+)"', text):
        (tmp_path / secret).write_text("a secret of many letters")
    if (
        "mqtt_username" not in text
        and "[[channels]]" not in tomllib.loads(text)
        and "channels" not in tomllib.loads(text)
    ):
        text += '\n[[channels]]\nid = "a"\nmachine = "a"\nmachine_type = "a"\nsource = { kind = "mqtt" }\n'
    path = tmp_path / "asdstream.toml"
    path.write_text(text)
    if "channels" in tomllib.loads(text):
        assert configuration.load(path).channels, document
    else:
        assert configuration.load_dashboard(path).web.users_file is not None


def test_the_configurations_that_ship_are_valid_and_so_is_what_stands_in_their_remarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("asdstream.toml", "demo.toml"):
        assert configuration.load(REPOSITORY / "conf" / name).channels
    text = (REPOSITORY / "conf" / "asdstream.toml").read_text()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for secret in re.findall(r'_file = "([^"]+)"', text):
        (tmp_path / secret).write_text("a secret of many letters")
    unremarked = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    assert unremarked.count("[[channels]]") == 2
    path = tmp_path / "asdstream.toml"
    path.write_text(unremarked)
    found = configuration.load(path)
    assert found.web.host != "127.0.0.1"
    assert found.mqtt.tls is not None


@pytest.mark.parametrize(("document", "text"), blocks("json"))
def test_every_message_is_one_that_a_daemon_takes(document: str, text: str) -> None:
    message = json.loads(text)
    if isinstance(message, dict):
        assert any(_taken(verb, text.encode()) for verb in VERBS), document


def _taken(verb: str, payload: bytes) -> bool:
    try:
        read_command(verb, payload)
    except CommandError:
        return False
    return True


def test_the_flow_for_node_red_is_wired_and_uses_topics_that_there_are() -> None:
    (flow,) = [json.loads(text) for _, text in blocks("json") if text.startswith("[")]
    ids = [node["id"] for node in flow]
    assert len(set(ids)) == len(ids)
    ours = [re.sub(r"\{\w+\}", "X", message.topic) for message in MESSAGES]
    for node in flow:
        assert {wire for output in node.get("wires", []) for wire in output} <= set(ids)
        assert node.get("broker", "asd-broker") == "asd-broker" or node["type"] == "mqtt-broker"
        written = [node.get("topic", ""), *re.findall(r"msg\.topic = '([^']+)'", node.get("func", ""))]
        for topic in filter(None, written):
            root, _, rest = topic.partition("asd/v1/")
            assert root == ""
            below = "/".join(rest.split("/")[2:]).replace("+", "X")
            assert below in ours, topic


@pytest.mark.parametrize(("document", "text"), blocks("yaml"))
def test_every_example_in_yaml_can_be_read(document: str, text: str) -> None:
    assert yaml.safe_load(text), document
