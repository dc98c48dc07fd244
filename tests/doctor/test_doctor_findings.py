"""What the doctor finds on boxes with something wrong, and what mends it."""

import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from certificates import make_certificates
from mosquitto_broker import MosquittoBroker, free_port
from processes import asdstream_here
from shipped_broker import PASSWORDS, make_shipped_broker

from asdstream import config as configs
from asdstream.audio.block import AudioBlock
from asdstream.audio.devices import InputDevice
from asdstream.audio.portaudio import PortAudio
from asdstream.audio.source import SourceState
from asdstream.config import MqttSection, SiteSection
from asdstream.doctor import engine, sound
from asdstream.doctor.archive import without_secrets
from asdstream.doctor.box import look_at_box
from asdstream.doctor.broker import look_at_broker
from asdstream.doctor.finding import Finding, State, guarded, ok
from asdstream.doctor.store import enrolled, look_at_store
from asdstream.store.database import MIGRATIONS
from asdstream.store.store import Store

SITE = SiteSection(name="plant-1", node="press-hall")
MICROPHONE = InputDevice("USB Mic", "usb:1234:5678:9", "ALSA", 16_000, 1, 0)


class Hearing:
    """A source that is live and hears the same block for ever."""

    paced = True
    state = SourceState.LIVE
    problem: str | None = None
    rejected = 0

    def __init__(self, samples: np.ndarray | None) -> None:
        self._samples = samples

    def start(self, now: float) -> None: ...

    def stop(self) -> None: ...

    def poll(self, now: float) -> list[AudioBlock]:
        return [] if self._samples is None else [AudioBlock(self._samples.astype(np.float32)[:, None], 16_000)]


def a_box(folder: Path, bundle: Path | str = "builtin:demo", more: str = "", channels: int = 1) -> Path:
    """A configuration in `folder`."""
    path = folder / "asdstream.toml"
    tables = "".join(
        f'[[channels]]\nid = "fan-{i}"\nmachine = "fan-{i}"\nmachine_type = "fan"\nhop = 0.1\n'
        'source = { kind = "mqtt" }\n'
        for i in range(channels)
    )
    path.write_text(f'bundle = "{bundle}"\n{more}\n{tables}')
    return path


def last_of(findings: list[Finding]) -> tuple[str, State]:
    return findings[-1].subject, findings[-1].state


def test_a_box_where_all_is_well_passes_and_the_archive_holds_what_a_helper_needs(
    tmp_path: Path, mosquitto: MosquittoBroker, small_bundle: Path
) -> None:
    config = a_box(tmp_path, small_bundle, f"[mqtt]\nport = {mosquitto.port}\n[alarms]\ndisk_free_min_mb = 1.0")
    done = asdstream_here("doctor", "-c", config, "--quick", "--json", "--bundle", tmp_path / "support.zip")
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    for subject in ("configuration", "permissions", "disk", "store", "broker: round trip", "bundle", "device"):
        assert found[subject]["state"] == "ok"
        assert found[subject]["mend"] is None
    with zipfile.ZipFile(tmp_path / "support.zip") as archive:
        assert {"findings.json", "facts.json", "versions.txt", "asdstream.toml"} <= set(archive.namelist())
        assert json.loads(archive.read("findings.json")) == json.loads(done.stdout)
    assert (tmp_path / "support.zip").stat().st_mode & 0o077 == 0, "for whoever asked for it alone"


def test_every_mistake_of_the_configuration_is_a_line_of_its_own(tmp_path: Path) -> None:
    config = a_box(tmp_path, more='[mqtt]\nport = "1883"\nhots = "broker"')
    done = asdstream_here("doctor", "-c", config, "--quick")
    assert done.returncode == 1
    assert done.stdout.count("FAIL  configuration") == 2
    assert "asdstream.toml:3" in done.stdout
    assert "      -> mend that line" in done.stdout


def test_the_way_to_the_broker_ends_at_the_step_that_is_wrong(
    mosquitto: MosquittoBroker, mosquitto_with: Callable[..., MosquittoBroker]
) -> None:
    unknown = list(look_at_broker(MqttSection(host="no-such-broker.invalid"), SITE))
    assert last_of(unknown) == ("broker: name", State.FAILED)
    closed = list(look_at_broker(MqttSection(port=free_port()), SITE))
    assert last_of(closed) == ("broker: TCP", State.FAILED)
    assert "no broker listens at 127.0.0.1:" in closed[-1].says
    (no_name,) = look_at_broker(MqttSection(host="broker..example"), SITE)
    assert no_name.says == 'the name of the broker, "broker..example", is not known: no host can be called so'
    plain = MqttSection.model_validate({"port": mosquitto.port, "tls": {}})
    assert last_of(list(look_at_broker(plain, SITE))) == ("broker: TLS", State.FAILED)
    guarded = mosquitto_with(allow_anonymous=False)
    guarded.start()
    refused = list(look_at_broker(MqttSection(port=guarded.port), SITE))
    assert last_of(refused) == ("broker: login", State.FAILED)
    assert all(finding.state is State.OK for finding in refused[:-1])
    assert last_of(list(look_at_broker(MqttSection(port=mosquitto.port), SITE))) == ("broker: round trip", State.OK)


def test_a_user_who_may_not_read_its_replies_is_told_what_to_grant(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    broker = make_shipped_broker(tmp_path, certificates)
    broker.start()

    def look_as(user: str) -> list[Finding]:
        secret = tmp_path / f"password-of-{user}"
        secret.write_text(PASSWORDS[user])
        tls = {"ca_file": str(certificates.crt("ca"))}
        given = {"port": broker.port, "username": user, "password_file": str(secret), "tls": tls}
        return list(look_at_broker(MqttSection.model_validate(given), SITE))

    try:
        assert last_of(look_as("asdstream")) == ("broker: round trip", State.OK), "the example grants all it needs"
        sensor = look_as("sensor-fan-1")
    finally:
        broker.stop(kill=True)
    # A broker may refuse the subscription, or take it and let nothing through.
    assert sensor[-1].subject in {"broker: subscribe", "broker: publish"}
    assert sensor[-1].state is State.FAILED
    assert "asdstream.acl" in (sensor[-1].mend or "")


def test_a_disk_that_is_nearly_full_and_a_clock_that_nobody_sets_are_told_with_what_mends_them(
    tmp_path: Path, small_bundle: Path
) -> None:
    settings = configs.load(a_box(tmp_path, small_bundle, "[alarms]\ndisk_free_min_mb = 1e6"))
    found = {finding.subject: finding for finding in look_at_box(settings, lambda: False)}
    assert found["disk"].state is State.FAILED
    assert "du -xh" in (found["disk"].mend or "")
    assert found["clock"].state is State.WARNING
    assert "set-ntp" in (found["clock"].mend or "")


def test_a_folder_that_is_still_to_be_made_is_well_and_one_that_cannot_be_is_not(
    tmp_path: Path, small_bundle: Path
) -> None:
    more = '[store]\npath = "state/asdstream.db"\n[alarms]\ndisk_free_min_mb = 1.0'
    settings = configs.load(a_box(tmp_path, small_bundle, more))
    found = {finding.subject: finding for finding in look_at_box(settings, lambda: True)}
    assert {found[subject].state for subject in ("permissions", "disk", "store")} == {State.OK}
    assert "will be made at the first start" in found["store"].says
    assert not (tmp_path / "state").exists(), "the doctor only looks"
    (tmp_path / "state").write_text("no folder")
    found = {finding.subject: finding for finding in look_at_box(settings, lambda: True)}
    assert f"cannot be made: this user may not write to {tmp_path / 'state'}" in found["store"].says
    assert found["permissions"].state is State.FAILED


def test_a_secret_that_all_may_read_is_told(tmp_path: Path, small_bundle: Path) -> None:
    secret = tmp_path / "mqtt-password"
    secret.write_text("open sesame")
    more = '[mqtt]\nusername = "box"\npassword_file = "mqtt-password"\n[alarms]\ndisk_free_min_mb = 1.0'
    settings = configs.load(a_box(tmp_path, small_bundle, more))
    secret.chmod(0o644)
    assert next(look_at_box(settings, lambda: True)).mend == f"chmod o= {secret}"
    secret.chmod(0o600)
    assert next(look_at_box(settings, lambda: True)).state is State.OK


def test_a_store_of_a_later_version_is_a_finding_and_no_traceback(tmp_path: Path, small_bundle: Path) -> None:
    settings = configs.load(a_box(tmp_path, small_bundle))
    settings.store.path.write_bytes(b"this is no database, however long it may be " * 100)
    found = {finding.subject: finding for finding in look_at_box(settings, lambda: True)}
    assert found["store"].state is State.FAILED


def test_a_store_of_an_earlier_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "asdstream.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
    (found,) = look_at_store(path)
    assert found.state is State.OK
    assert "of an earlier version" in found.says
    assert enrolled(path, "fan-1") is None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) - 1,), "left as it was"
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    (found,) = look_at_store(path)
    assert "0 alarm messages wait" in found.says
    assert enrolled(path, "fan-1") == 0


def test_sound_that_is_not_there_is_told_of_its_channel(tmp_path: Path, small_bundle: Path) -> None:
    path = a_box(tmp_path, small_bundle)
    (tmp_path / "recordings").mkdir()
    path.write_text(path.read_text().replace('kind = "mqtt"', 'kind = "file", path = "recordings"'))
    found = {finding.subject: finding for finding in sound.look_at_sound(configs.load(path).channels)}
    assert found["channel fan-0"].state is State.FAILED
    assert "recordings holds no recording" in found["channel fan-0"].says


def test_a_sound_system_that_does_not_work_is_no_fault_of_a_box_without_microphones(
    tmp_path: Path, small_bundle: Path
) -> None:
    def fails() -> None:
        raise ValueError("host error")

    broken = PortAudio(SimpleNamespace(query_hostapis=fails), cards=lambda: "")
    (found,) = sound.look_at_sound((), broken)
    assert found.state is State.WARNING
    assert "cannot be listed: host error" in found.says
    path = a_box(tmp_path, small_bundle)
    path.write_text(path.read_text().replace('kind = "mqtt"', 'kind = "microphone", device = "USB Mic"'))
    (found,) = sound.look_at_sound(configs.load(path).channels, broken)
    assert found.state is State.FAILED


def test_a_look_that_ends_as_nobody_thought_of_is_a_finding_and_the_next_is_taken() -> None:
    def look() -> Iterator[Finding]:
        yield ok("disk", "there is room")
        raise OSError(5, "Input/output error")

    fine, broken = guarded("disk", look, "df")
    assert (fine.state, broken.state) == (State.OK, State.FAILED)
    assert "Input/output error" in broken.line


def test_more_channels_than_the_engine_can_hear_are_told_before_they_are_missed(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MEASURE_S", 0.2)
    settings = configs.load(a_box(tmp_path, small_bundle, "[engine]\nthreads = 1", channels=100))
    found = {finding.subject: finding for finding in engine.look_at_engine(settings, nvidia=tmp_path / "none")}
    assert found["speed"].state is State.FAILED, "a thousand windows a second"
    assert "windows will be left out" in found["speed"].says


def test_a_gpu_that_torch_cannot_use_is_told(tmp_path: Path, small_bundle: Path) -> None:
    settings = configs.load(a_box(tmp_path, small_bundle, '[engine]\ndevice = "cpu"'))
    (tmp_path / "nvidia0").touch()
    found = {f.subject: f for f in engine.look_at_engine(settings, measure=False, nvidia=tmp_path / "nvidia0")}
    assert found["device"].state is State.WARNING


@pytest.mark.parametrize(
    ("samples", "state", "says"),
    [
        (0.05 * np.sin(np.arange(16_000)), State.OK, "hears -29 dBFS at 16000 Hz"),
        (1e-5 * np.sin(np.arange(16_000)), State.WARNING, "quieter than any machine"),
        (np.sign(np.sin(np.arange(16_000))), State.WARNING, "clipped"),
        (None, State.FAILED, "no sound from USB Mic"),
    ],
)
def test_a_microphone_is_judged_by_what_it_hears(
    samples: np.ndarray | None, state: State, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "LISTEN_WITHIN_S", 0.2)
    finding = sound.level_of("microphone of fan-1", MICROPHONE, Hearing(samples))
    assert finding.state is state
    assert says in finding.says


def test_what_was_written_into_a_configuration_or_a_log_by_mistake_is_hidden() -> None:
    text = "\n".join(
        [
            'password = "hunter2"',
            'password_file = "mqtt-password"',
            'url = "mqtt://box:hunter2@broker"',
            'url = "redis://:hunter2@broker"',
            '{"event": "login", "token": "hunter2", "user": "ann"}',
        ]
    )
    hidden = without_secrets(text)
    assert "hunter2" not in hidden
    assert 'password_file = "mqtt-password"' in hidden
    assert '"user": "ann"' in hidden
