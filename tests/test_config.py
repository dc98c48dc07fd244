import json
import re
from pathlib import Path

import pytest

from asdstream import config
from asdstream.config import ConfigError, FileSettings, MicrophoneSettings, MqttSettings, SimulatorSettings

CHANNEL = """
[[channels]]
id = "pump"
machine = "Pump-7"
machine_type = "pump"
source = {kind = "mqtt"}
"""


def load(folder: Path, text: str) -> config.Config:
    path = folder / "edge.toml"
    path.write_text(text)
    return config.load(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.exit_code == 78
    prefix = f"{folder}/edge.toml:"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def test_what_this_user_may_not_even_look_at_is_said_at_its_key(tmp_path: Path) -> None:
    # Any error of the system will do: whoever runs the tests may be allowed everything.
    hidden = f"{'long' * 100}/x"
    said = problems(
        tmp_path,
        f"""bundle = "{hidden}"
mqtt.username = "box"
mqtt.password_file = "{hidden}"
store.path = "~nobody-of-that-name/asdstream.db"
[[channels]]
id = "pump"
machine = "Pump-7"
machine_type = "pump"
source = {{kind = "file", path = "{hidden}"}}
""",
    )
    assert [line.replace(str(tmp_path / hidden), "HIDDEN") for line in said] == [
        "1: bundle: HIDDEN cannot be looked at: File name too long",
        "3: mqtt.password_file: HIDDEN cannot be looked at: File name too long",
        "4: store.path: ~nobody-of-that-name/asdstream.db: there is no such user on this box",
        "9: channels[0].source.path: HIDDEN cannot be looked at: File name too long",
    ]


def test_a_channel_is_all_that_must_be_said(tmp_path: Path) -> None:
    settings = load(tmp_path, CHANNEL)
    assert settings.bundle == "builtin:demo"
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.protocol) == ("127.0.0.1", 1883, "auto")
    assert settings.mqtt.tls is None
    assert settings.mqtt.password() is None
    (channel,) = settings.channels
    assert (channel.id, channel.machine, channel.hop, channel.separate) == ("pump", "Pump-7", 1.0, "auto")
    assert isinstance(channel.source, MqttSettings)


def test_every_section_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    settings = load(
        tmp_path,
        """
bundle = "bundle"
[site]
name = "plant"
node = "line-1"
[mqtt]
host = "broker.example"
port = 8883
[engine]
device = "cuda:1"
precision = "bfloat16"
threads = 2
max_batch = 4
[alarms]
k = 3
n = 4
false_alarms_per_day = 1
[store]
path = "state/a.db"
[log]
level = "debug"
format = "json"
[[channels]]
id = "a"
machine = "fan"
machine_type = "fan"
hop = 2
separate = "on"
source = {kind = "microphone", device = "USB Audio", sample_rate = 48000}
[[channels]]
id = "b"
machine = "fan"
machine_type = "fan"
[channels.source]
kind = "file"
path = ["sounds", "sounds"]
realtime = false
[[channels]]
id = "c"
machine = "gearbox"
machine_type = "gearbox"
source = {kind = "simulator", snr_db = 6, fault = {kind = "imbalance", start_s = 30, ramp_s = 20}}
""",
    )
    assert settings.bundle == str(tmp_path / "bundle")
    assert settings.store.path == tmp_path / "state" / "a.db"
    assert settings.alarms.false_alarms_per_day == 1.0
    microphone, file, simulator = (channel.source for channel in settings.channels)
    assert isinstance(microphone, MicrophoneSettings)
    assert isinstance(file, FileSettings)
    assert file.path == (tmp_path / "sounds",) * 2
    assert isinstance(simulator, SimulatorSettings)
    assert simulator.fault is not None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[mqtt]\nhots = 'x'", "2: mqtt.hots: unknown key; did you mean host?"),
        ("[mqtt]\nport = '1883'", '2: mqtt.port: should be a whole number, not "1883"'),
        ("[mqtt]\nport = 70000", "2: mqtt.port: should be at most 65535, not 70000"),
        ("[mqtt]\nport = true", "2: mqtt.port: should be a whole number, not true"),
        ("[mqtt]\nprotocol = '4'", '2: mqtt.protocol: should be "auto", "5" or "3.1.1", not "4"'),
        ("[site]\n\nname = 'a/#'", '3: site.name: should be 1 to 64 of the characters a-z, 0-9, - and _, not "a/#"'),
        ("[alarms]\nk = 9\nn = 3", "2: alarms.k: should be at most n (alarms.n is 3), not 9"),
        ("[alarms]\nclear_level = nan", "2: alarms.clear_level: should be a finite number, not NaN"),
        ("[engine]\ndevice = 'gpu'", '2: engine.device: should be "auto", "cpu", "cuda" or "cuda:<number>", not "gpu"'),
        ("engine = 3", "1: engine: should be a table, not 3"),
        ("enigne = {}", "1: enigne: unknown key; did you mean engine?"),
        ("bundle = 'builtin:'", '1: bundle: a built-in bundle is named like "builtin:demo"'),
        ("mqtt = {host = 'x', ", "1: not TOML: "),
        ("[mqtt]\nhost = ", "2: not TOML: invalid value"),
    ],
)
def test_a_problem_is_told_with_line_key_and_what_would_be_right(tmp_path: Path, line: str, problem: str) -> None:
    (found,) = problems(tmp_path, f"{line}\n{CHANNEL}")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"yes"', 'should be "auto", "on", "off" or "both", not "yes"'),
        ("true", 'should be "auto", "on", "off" or "both", not true'),
    ],
)
def test_separation_is_asked_for_in_words(tmp_path: Path, value: str, problem: str) -> None:
    (found,) = problems(tmp_path, CHANNEL.replace("source", f"separate = {value}\nsource"))
    assert found == f"6: channels[0].separate: {problem}"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{}", ': needs a kind, one of "microphone", "mqtt", "file", "simulator"'),
        ('{kind = "mic"}', ': kind should be one of "microphone", "mqtt", "file", "simulator", not "mic"'),
        ('{kind = "microphone"}', ".device: is missing: Name or stable id, as `asdstream devices` lists."),
        ('{kind = "mqtt", rate = 1}', ".rate: unknown key; did you mean sample_rate?"),
        ('{kind = "mqtt", foo = 1}', ".foo: unknown key; known here: kind, format, encoding, sample_rate, channels, "),
        (
            '{kind = "mqtt", sample_rate = 16000}',
            '.sample_rate: belongs to format = "pcm"; a WAV message says it itself',
        ),
        (
            '{kind = "mqtt", format = "pcm", channels = 1}',
            '.format: "pcm" needs encoding and sample_rate beside it: bare samples do not say what they are',
        ),
        ('{kind = "file", path = []}', ".path: should have at least 1 element, not []"),
        ('{kind = "simulator", fault = {}}', ".fault.kind: is missing"),
    ],
)
def test_a_source_is_checked_for_its_own_kind(tmp_path: Path, source: str, problem: str) -> None:
    (found,) = problems(tmp_path, CHANNEL.replace('{kind = "mqtt"}', source))
    assert found.startswith("6: channels[0].source" + problem)


def test_several_problems_are_told_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = CHANNEL.replace('"pump"', '"Pump"', 1) + "[mqtt]\nport = 0\nuser = 'x'\n"
    assert [problem.split(":")[1].strip() for problem in problems(tmp_path, text)] == [
        "channels[0].id",
        "mqtt.port",
        "mqtt.user",
    ]


def test_a_missing_file_is_told_with_the_path_that_was_looked_at(tmp_path: Path) -> None:
    text = 'bundle = "none"\n[mqtt]\nusername = "u"\npassword_file = "secret"\n' + CHANNEL.replace(
        '{kind = "mqtt"}', '{kind = "file", path = "sounds"}'
    )
    assert problems(tmp_path, text) == [
        f"1: bundle: no bundle at {tmp_path}/none (it has no bundle.json); name a bundle's folder",
        f"4: mqtt.password_file: no file at {tmp_path}/secret",
        f"10: channels[0].source.path: {tmp_path}/sounds does not exist; name an existing file or folder",
    ]


def test_a_missing_element_of_a_list_is_told_with_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    source = '{kind = "file", path = [\n  "a.wav",\n  "b.wav"]}'
    (found,) = problems(tmp_path, CHANNEL.replace('{kind = "mqtt"}', source))
    assert found.startswith("8: channels[0].source.path[1]: ")


def test_a_file_without_channels_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["1: channels: is missing"]


def test_two_channels_of_one_id_are_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, CHANNEL + CHANNEL) == [
        '9: channels[1].id: "pump" is the id of channels[0] already; every channel needs its own'
    ]


def test_one_machine_of_two_types_is_refused(tmp_path: Path) -> None:
    other = CHANNEL.replace('id = "pump"', 'id = "b"').replace('machine_type = "pump"', 'machine_type = "fan"')
    assert problems(tmp_path, CHANNEL + other) == [
        '11: channels[1].machine_type: machine "Pump-7" is a "pump" in channel "pump"; one machine has one type'
    ]


def test_a_password_in_the_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "[mqtt]\npassword = 'geheim'\n" + CHANNEL)
    assert "secrets do not belong here" in found
    assert "geheim" not in found


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pass word\n")
    settings = load(tmp_path, '[mqtt]\nusername = "u"\npassword_file = "secret"\n' + CHANNEL)
    assert settings.mqtt.password() == "pass word"
    assert "pass word" not in repr(settings)


def test_credentials_of_systemd_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for folder, word in ((tmp_path, "beside"), (credentials, "credential")):
        (folder / "secret").write_text(word)
    text = '[mqtt]\nusername = "u"\npassword_file = "secret"\n' + CHANNEL
    assert load(tmp_path, text).mqtt.password() == "beside"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert load(tmp_path, text).mqtt.password() == "credential"


def test_the_folder_of_secrets_that_the_unit_loads_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = (Path(__file__).parents[1] / "systemd" / "asdstream.service").read_text()
    (name,) = re.findall(r"^LoadCredential=(\w+):/etc/asdstream/credentials$", unit, re.MULTILINE)
    (tmp_path / f"{name}_secret").write_text("from the folder")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    text = '[mqtt]\nusername = "u"\npassword_file = "secret"\n' + CHANNEL
    assert load(tmp_path, text).mqtt.password() == "from the folder"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 5000, "is too large to hold only a password")],
)
def test_a_password_file_that_holds_no_password_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    settings = load(tmp_path, '[mqtt]\nusername = "u"\npassword_file = "secret"\n' + CHANNEL)
    with pytest.raises(ConfigError, match=problem):
        settings.mqtt.password()


def test_a_password_without_a_user_and_a_certificate_without_a_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert problems(tmp_path, "[mqtt]\npassword_file = 'x'\n" + CHANNEL) == [
        "2: mqtt.password_file: needs username beside it"
    ]
    assert problems(tmp_path, "[mqtt.tls]\ncert_file = 'x'\n" + CHANNEL) == [
        "2: mqtt.tls.cert_file: needs key_file beside it: a client certificate has both"
    ]


def test_the_store_stands_beside_the_file_or_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert load(tmp_path, CHANNEL).store.path == tmp_path / "asdstream.db"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/asdstream")
    assert load(tmp_path, CHANNEL).store.path == Path("/var/lib/asdstream/asdstream.db")


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file; name the configuration with -c FILE"):
        config.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"bundle = 'x'\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml:2: the file is not UTF-8 text"):
        config.load(tmp_path / "binary.toml")


def test_the_schema_describes_every_section(tmp_path: Path) -> None:
    schema = json.loads(json.dumps(config.json_schema()))
    assert set(schema["properties"]) == set(config.Config.model_fields)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["MqttSection"]["properties"]["port"]["maximum"] == 65535
    assert str(tmp_path.parent) not in json.dumps(schema)


def test_home_assistant_is_told_only_where_that_is_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path, CHANNEL).mqtt.home_assistant is False
    settings = load(tmp_path, '[mqtt]\nhome_assistant = true\nhome_assistant_prefix = "ha/discovery"\n' + CHANNEL)
    assert (settings.mqtt.home_assistant, settings.mqtt.home_assistant_prefix) == (True, "ha/discovery")


@pytest.mark.parametrize("prefix", ["", "#", "a/+", "/a", "a/", "a b", "a//b"])
def test_no_wildcard_gets_into_the_prefix_of_home_assistant(tmp_path: Path, prefix: str) -> None:
    (said,) = problems(tmp_path, f'[mqtt]\nhome_assistant_prefix = "{prefix}"\n' + CHANNEL)
    assert said.startswith('2: mqtt.home_assistant_prefix: should be a topic like "homeassistant"')
