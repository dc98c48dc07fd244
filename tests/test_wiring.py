"""From the configuration to the parts that it describes."""

from pathlib import Path

import pytest
import soundfile
from small_bundle import fan_sound
from system_bundles import contents_of, separator

from asdstream import bundle as bundles
from asdstream import config as configuration
from asdstream.alarms.policy import AlarmPolicy
from asdstream.audio.file import FileSource
from asdstream.audio.microphone import MicrophoneSource
from asdstream.audio.mqtt import MqttSource
from asdstream.audio.simulator.source import SimulatorSource
from asdstream.bundle import ANY_TYPE
from asdstream.config import ChannelSection, Config, ConfigError
from asdstream.engine.separate_as import BothWays
from asdstream.scoring.both_ways_scorer import BothWaysScorer
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.scorer import Scorer
from asdstream.wiring import (
    alarm_policy,
    bearable_rate,
    broker_of,
    make_source,
    phases_of,
    scorer_of,
    separation_of,
    unlike_prototypes,
)


def config_with(source: str, folder: Path, more: str = "") -> Config:
    text = f"""{more}
[[channels]]
id = "fan-1"
machine = "fan-1"
machine_type = "fan"
source = {source}
"""
    return configuration.parse(text, folder / "asdstream.toml")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('{ kind = "microphone", device = "USB" }', MicrophoneSource),
        ('{ kind = "mqtt" }', MqttSource),
        ('{ kind = "mqtt", format = "pcm", encoding = "s16le", sample_rate = 48000, channels = 2 }', MqttSource),
        ('{ kind = "file", path = "a.wav" }', FileSource),
        ('{ kind = "simulator", fault = { kind = "imbalance", ramp_s = 5.0 } }', SimulatorSource),
    ],
)
def test_each_kind_of_source_is_made(source: str, kind: type, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", fan_sound(1, seed=1), 16_000)
    assert isinstance(make_source(config_with(source, tmp_path).channels[0]), kind)


def test_a_raw_message_is_read_in_the_configured_format(tmp_path: Path) -> None:
    source = make_source(
        config_with(
            '{ kind = "mqtt", format = "pcm", encoding = "s16le", sample_rate = 48000, channels = 2 }', tmp_path
        ).channels[0]
    )
    assert isinstance(source, MqttSource)
    source.start(0.0)
    source.deliver(b"\x00\x40\x00\xc0" * 480, 1.0)
    (block,) = source.poll(1.0)
    assert (block.sample_rate, block.samples.shape) == (48_000, (480, 2))
    assert block.samples[0].tolist() == [0.5, -0.5]


def test_the_numbers_of_the_alarm_and_of_the_broker_arrive(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    more = """
[alarms]
k = 2
n = 7
clear_windows = 3
latching = true
re_alarm_s = 60
silent_after_s = 5
false_alarms_per_day = 2.0
[mqtt]
host = "broker.plant"
port = 8883
username = "asd"
password_file = "password"
"""
    config = config_with('{ kind = "mqtt" }', tmp_path, more)
    policy = alarm_policy(config.alarms)
    assert (policy.k, policy.n, policy.clear_windows) == (2, 7, 3)
    assert (policy.latching, policy.re_alarm_s, policy.silent_after_s) == (True, 60.0, 5.0)
    rate = bearable_rate(config.alarms, hop_s=0.5)
    assert (rate.per_day, rate.hop_s, rate.k, rate.n) == (2.0, 0.5, 2, 7)
    broker = broker_of(config.mqtt)
    assert (broker.host, broker.port, broker.username, broker.password) == ("broker.plant", 8883, "asd", "open sesame")
    assert "sesame" not in repr(broker)


def test_without_other_wishes_alarms_are_those_of_the_policy(tmp_path: Path) -> None:
    assert alarm_policy(config_with('{ kind = "mqtt" }', tmp_path).alarms) == AlarmPolicy()


def test_auto_separates_as_the_prototypes_were_made_and_unknown_types_with_their_own_separator(tmp_path: Path) -> None:
    separators = {ANY_TYPE: separator(), "lathe": separator()}
    separated = bundles.save(tmp_path / "a", contents_of("system1", separators=separators, separated=True))
    assert [separation_of(separated, name) for name in ("fan", "lathe", "drill")] == ["fan", "lathe", None]
    as_it_is = bundles.save(tmp_path / "b", contents_of("system1", separators=separators))
    assert [separation_of(as_it_is, name) for name in ("fan", "lathe", "drill")] == [None, "lathe", None]
    without = bundles.save(tmp_path / "c", contents_of("system1"))
    assert [separation_of(without, name) for name in ("fan", "lathe")] == [None, None]


def test_on_needs_a_separator_and_off_none(tmp_path: Path) -> None:
    only_fan = bundles.save(tmp_path / "a", contents_of("system1", separators={"fan": separator()}, separated=True))
    assert separation_of(only_fan, "fan", "on") == "fan"
    assert separation_of(only_fan, "fan", "off") is None
    with pytest.raises(ConfigError, match='separate = "on": bundle system1 has no separator for machine type "lathe"'):
        separation_of(only_fan, "lathe", "on")


def test_both_needs_a_separator_and_makes_a_scorer_of_two_ways(tmp_path: Path) -> None:
    only_fan = bundles.save(tmp_path / "a", contents_of("system1", separators={"fan": separator()}, separated=True))
    assert separation_of(only_fan, "fan", "both") == BothWays("fan")
    with pytest.raises(
        ConfigError, match='separate = "both": bundle system1 has no separator for machine type "lathe"'
    ):
        separation_of(only_fan, "lathe", "both")
    rate = FalseAlarmRate(1, 1, 3, 5)
    assert isinstance(scorer_of(only_fan, "north", "fan", rate, separate_as=BothWays("fan")), BothWaysScorer)
    for separate_as in ("fan", None):
        made = scorer_of(only_fan, "north", "fan", rate, separate_as=separate_as)
        assert isinstance(made, Scorer)
        assert made.ready == (separate_as is not None)


@pytest.mark.parametrize(("separated", "said"), [(True, "heard as it is"), (False, "heard separated")])
def test_heard_both_ways_the_prototypes_serve_one_and_that_is_said(tmp_path: Path, separated: bool, said: str) -> None:
    contents = contents_of("system1", separators={"fan": separator()}, separated=separated)
    bundle = bundles.save(tmp_path / "a", contents)
    sentence = unlike_prototypes(bundle, "fan", BothWays("fan"))
    assert sentence is not None
    assert f"{said} it is scored against enrolled references alone" in sentence
    assert unlike_prototypes(bundle, "lathe", BothWays("lathe")) is None


def test_prototypes_of_sound_treated_otherwise_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    bundle = bundles.save(tmp_path / "a", contents_of("system1", separators={"fan": separator()}, separated=True))
    assert unlike_prototypes(bundle, "fan", "fan") is None
    assert unlike_prototypes(bundle, "lathe", None) is None
    said = unlike_prototypes(bundle, "fan", None)
    assert said is not None
    assert 'knows "fan" from separated sound, and it is heard as it is here' in said


def test_windows_of_channels_with_one_hop_are_spread_over_it() -> None:
    def channel(name: str, hop: float) -> ChannelSection:
        source = {"kind": "simulator"}
        return ChannelSection.model_validate(
            {"id": name, "machine": name, "machine_type": "fan", "hop": hop, "source": source}
        )

    sections = [channel("a", 1.0), channel("b", 2.0), channel("c", 1.0), channel("lone", 0.5), channel("d", 2.0)]
    assert phases_of(sections) == {"a": 0.0, "b": 0.0, "c": 0.5, "d": 1.0}
