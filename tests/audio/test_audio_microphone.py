"""The microphone against a sound card made of Python: the same calls as sounddevice, no PortAudio needed."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from processes import wait_until

from asdstream.audio.block import Break
from asdstream.audio.devices import find_device, list_devices
from asdstream.audio.microphone import MicrophoneSource
from asdstream.audio.portaudio import RELIST_S, PortAudio, import_sounddevice
from asdstream.audio.source import AudioError, SourceState


class FakeStream:
    def __init__(self, card: "FakeSoundCard", **options: Any) -> None:
        self.card = card
        self.options = options
        self.active = False

    def start(self) -> None:
        self.active = True

    def abort(self, ignore_errors: bool) -> None:
        self.active = False

    def close(self, ignore_errors: bool) -> None:
        self.card.streams.remove(self)

    def record(self, frames: int, overflow: bool = False) -> None:
        samples = np.full((frames, self.options["channels"]), 0.1, np.float32)
        self.options["callback"](samples, frames, None, SimpleNamespace(input_overflow=overflow))


class FakeSoundCard:
    """Stands in for the sounddevice module. As with PortAudio, devices show only when it is initialised."""

    def __init__(self, *names: str) -> None:
        self.plugged = list(names)
        self.streams: list[FakeStream] = []
        self.refuses: Exception | None = None
        self.initialised = 0
        self._initialize()

    def _initialize(self) -> None:
        self.initialised += 1
        self.listed = list(self.plugged)

    def _terminate(self) -> None:
        assert not self.streams, "PortAudio was terminated under an open stream"

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        return ({"name": "ALSA"},)

    def query_devices(self) -> list[dict[str, Any]]:
        speaker = {"name": "Speaker", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48_000.0}
        return [speaker] + [
            {"name": name, "hostapi": 0, "max_input_channels": 2, "default_samplerate": 44_100.0}
            for name in self.listed
        ]

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        if self.refuses:
            raise self.refuses
        if self.listed[options["device"] - 1] not in self.plugged:
            raise OSError("Device unavailable")
        stream = FakeStream(self, **options)
        self.streams.append(stream)
        return stream


def audio_of(card: FakeSoundCard, clock: Any = lambda: 0.0) -> PortAudio:
    return PortAudio(card, cards=lambda: "\n".join(card.plugged), clock=clock)


class Bench:
    """A microphone source, its card, and a clock that the test moves."""

    def __init__(self, *names: str, wanted: str = "USB Mic", **options: Any) -> None:
        self.now = 1000.0
        self.card = FakeSoundCard(*names)
        self.audio = audio_of(self.card, lambda: self.now)
        self.source = MicrophoneSource(wanted, audio=self.audio, clock=lambda: self.now, **options)

    def until_it_records(self, within: float) -> None:
        give_up = self.now + within
        while not self.card.streams and self.now < give_up:
            self.after(0.2)
        self.card.streams[0].record(10)

    def after(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.2)):
            self.now += 0.2
            self.source.tend(self.now)


def test_sound_of_the_named_device_comes_at_its_own_rate() -> None:
    bench = Bench("Other", "USB Mic")
    bench.source.tend(bench.now)
    (stream,) = bench.card.streams
    assert stream.options["device"] == 2
    assert (stream.options["samplerate"], stream.options["channels"]) == (44_100, 1)
    assert bench.source.state is SourceState.WAITING
    stream.record(4410)
    stream.record(4410)
    blocks = bench.source.poll(bench.now)
    assert [(block.samples.shape, block.sample_rate, block.break_before) for block in blocks] == [
        ((4410, 1), 44_100, None),
        ((4410, 1), 44_100, None),
    ]
    assert bench.source.state is SourceState.LIVE
    assert bench.source.problem is None


def test_rate_and_channels_can_be_asked_for() -> None:
    bench = Bench("USB Mic", sample_rate=48_000, channels=2)
    bench.source.tend(bench.now)
    options = bench.card.streams[0].options
    assert (options["samplerate"], options["channels"], options["dtype"]) == (48_000, 2, "float32")


@pytest.mark.parametrize(("option", "says"), [({"sample_rate": 100}, "100 Hz"), ({"channels": 0}, "0 channels")])
def test_a_rate_or_channel_count_that_cannot_be_is_refused(option: dict[str, int], says: str) -> None:
    with pytest.raises(AudioError, match=says):
        MicrophoneSource("USB Mic", **option)  # type: ignore[arg-type]


def test_the_device_s_buffer_is_copied() -> None:
    bench = Bench("USB Mic")
    bench.source.tend(bench.now)
    samples = np.full((10, 1), 0.5, np.float32)
    bench.card.streams[0].options["callback"](samples, 10, None, SimpleNamespace(input_overflow=False))
    samples[:] = 0.0
    assert np.all(bench.source.poll(0.0)[0].samples == 0.5)


def test_an_overrun_of_the_device_is_a_gap() -> None:
    bench = Bench("USB Mic")
    bench.source.tend(bench.now)
    stream = bench.card.streams[0]
    stream.record(10)
    stream.record(10, overflow=True)
    stream.record(10)
    assert [block.break_before for block in bench.source.poll(0.0)] == [None, Break.GAP, None]
    assert bench.source.overflows == 1


def test_what_nobody_fetches_is_bounded_to_ten_seconds_and_a_gap() -> None:
    bench = Bench("USB Mic")
    bench.source.tend(bench.now)
    for _ in range(500):
        bench.card.streams[0].record(4410)
    blocks = bench.source.poll(0.0)
    assert len(blocks) == 100
    assert blocks[0].break_before is Break.GAP
    assert bench.source.dropped_seconds == pytest.approx(40.0)


def test_a_device_that_is_away_is_waited_for() -> None:
    bench = Bench("Other")
    bench.after(60.0)
    assert bench.source.state is SourceState.WAITING
    assert bench.source.problem == "there is no microphone 'USB Mic' (present: 'Other'); waiting for it"
    bench.card.plugged.append("USB Mic")
    bench.until_it_records(within=15.0)
    assert bench.source.state is SourceState.LIVE
    assert bench.source.poll(0.0)[0].break_before is None


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_a_device_pulled_out_is_noticed_and_its_return_is_a_gap(how: str) -> None:
    bench = Bench("USB Mic")
    bench.source.tend(bench.now)
    bench.card.streams[0].record(10)
    bench.card.plugged.remove("USB Mic")
    bench.card.streams[0].active = how == "silent"
    bench.after(2.6)
    assert bench.source.state is SourceState.WAITING
    assert bench.source.problem
    assert bench.card.streams == []
    bench.after(600.0)
    bench.card.plugged.append("USB Mic")
    bench.until_it_records(within=15.0)
    blocks = bench.source.poll(0.0)
    assert [block.break_before for block in blocks] == [None, Break.GAP]
    bench.after(0.2)
    assert bench.source.state is SourceState.LIVE
    assert bench.source.problem is None


def test_a_device_that_cannot_be_opened_says_what_it_offers() -> None:
    bench = Bench("USB Mic", sample_rate=96_000, channels=8)
    bench.card.refuses = OSError("Invalid sample rate")
    bench.source.tend(bench.now)
    assert bench.source.problem == (
        "the microphone 'USB Mic' cannot be opened at 96000 Hz with 8 channels (Invalid sample rate); "
        "it offers 44100 Hz and up to 2 channels"
    )


def test_portaudio_is_initialised_anew_only_when_a_card_comes_or_rarely() -> None:
    bench = Bench("Other", "Third")
    bench.after(RELIST_S - 1.0)
    assert bench.card.initialised == 1
    bench.after(12.0)
    assert bench.card.initialised == 2
    bench.card.plugged.remove("Third")
    bench.after(60.0)
    assert bench.card.initialised == 2
    bench.card.plugged.append("Fourth")
    bench.after(60.0)
    assert bench.card.initialised == 3


def test_another_card_in_the_place_of_the_missing_one_is_not_recorded() -> None:
    bench = Bench("USB Mic")
    bench.source.tend(bench.now)
    bench.card.plugged[0] = "Telephone"
    bench.card.streams[0].active = False
    bench.after(60.0)
    assert bench.card.streams == []
    assert bench.source.problem == "there is no microphone 'USB Mic' (present: 'Telephone'); waiting for it"


def test_a_running_microphone_makes_way_for_a_moment_when_another_comes_back() -> None:
    bench = Bench("Running", wanted="Running")
    other = MicrophoneSource("USB Mic", audio=bench.audio, clock=lambda: bench.now)
    bench.source.tend(bench.now)
    bench.card.streams[0].record(10)
    for _ in range(50):
        bench.now += 0.2
        bench.card.streams[0].record(10)
        bench.source.tend(bench.now)
        other.tend(bench.now)
    assert len(bench.card.streams) == 1
    assert all(block.break_before is None for block in bench.source.poll(0.0)), "nobody is disturbed without need"
    bench.card.plugged.insert(0, "USB Mic")
    for _ in range(60):
        bench.now += 0.2
        for stream in bench.card.streams:
            stream.record(10)
        other.tend(bench.now)
        bench.source.tend(bench.now)
    assert sorted(stream.options["device"] for stream in bench.card.streams) == [1, 2]
    assert (bench.source.state, other.state) == (SourceState.LIVE, SourceState.LIVE)
    assert [block.break_before for block in bench.source.poll(0.0)].count(Break.GAP) == 1


def test_its_own_thread_opens_and_releases_the_device() -> None:
    card = FakeSoundCard("USB Mic")
    source = MicrophoneSource("USB Mic", audio=audio_of(card))
    source.start(time.monotonic())
    assert wait_until(lambda: len(card.streams) == 1)
    source.stop()
    source.stop()
    assert card.streams == []


def test_a_driver_that_fails_in_its_own_way_does_not_end_the_source() -> None:
    card = FakeSoundCard("USB Mic")
    source = MicrophoneSource("USB Mic", audio=audio_of(card))

    def broken() -> list[dict[str, Any]]:
        raise RuntimeError("segfault averted")

    card.query_devices = broken  # type: ignore[method-assign]
    source.start(time.monotonic())
    assert wait_until(lambda: source.problem is not None)
    assert source.problem is not None
    assert source.problem.startswith("the microphone 'USB Mic' failed: ")
    assert source.problem.endswith(": segfault averted")
    source.stop()


@pytest.mark.parametrize(
    ("error", "says"),
    [(OSError("PortAudio library not found"), "apt install libportaudio2"), (ImportError("no"), "pip install")],
)
def test_without_portaudio_one_sentence_names_the_package(error: Exception, says: str) -> None:
    def fail(name: str) -> None:
        raise error

    with pytest.raises(AudioError, match=says):
        import_sounddevice(fail)


def test_the_rest_of_the_program_needs_no_portaudio() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['sounddevice'] = None\n"
        "import asdstream.audio.microphone, asdstream.audio.devices, asdstream.audio.mqtt, asdstream.audio.file\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def sysfs(root: Path, card: int, serial: str | None) -> None:
    interface = root / "sys/devices/usb1/1-1.4/1-1.4:1.0"
    interface.mkdir(parents=True)
    if serial:
        (interface.parent / "serial").write_text(serial + "\n")
    sound = root / "sys/class/sound" / f"card{card}"
    sound.mkdir(parents=True)
    (sound / "device").symlink_to(interface)
    proc = root / "proc/asound" / f"card{card}"
    proc.mkdir(parents=True)
    (proc / "usbid").write_text("0d8c:0014\n")
    (proc / "id").write_text("Device\n")


@pytest.mark.parametrize(
    ("serial", "expected"), [("A1B2", "usb:0d8c:0014:A1B2"), (None, "usb:0d8c:0014@1-1.4")], ids=["serial", "port"]
)
def test_a_usb_microphone_is_known_by_serial_or_port_whatever_its_card_number(
    tmp_path: Path, serial: str | None, expected: str
) -> None:
    for card in (1, 3):
        root = tmp_path / str(card)
        sysfs(root, card, serial)
        (device,) = list_devices(audio_of(FakeSoundCard(f"USB Audio: - (hw:{card},0)")), root)
        assert device.stable_id == expected
        assert (device.channels, device.sample_rate, device.host_api) == (2, 44_100, "ALSA")


def test_a_card_that_is_not_usb_is_known_by_alsa_s_name_for_it(tmp_path: Path) -> None:
    (tmp_path / "proc/asound/card0").mkdir(parents=True)
    (tmp_path / "proc/asound/card0/id").write_text("PCH\n")
    (device,) = list_devices(audio_of(FakeSoundCard("HDA Intel PCH: ALC (hw:0,2)")), tmp_path)
    assert device.stable_id == "alsa:PCH,2"


def test_devices_are_found_by_id_name_label_and_part_but_not_by_index() -> None:
    devices = list_devices(
        audio_of(FakeSoundCard("USB Audio: A (hw:1,0)", "USB Audio: B (hw:2,0)", "pulse")), Path("/nonexistent")
    )
    for wanted, index in (("alsa:pulse", 3), ("USB Audio: B (hw:2,0)", 2), ("USB Audio: A", 1), ("audio: b", 2)):
        found = find_device(wanted, devices)
        assert not isinstance(found, str)
        assert found.index == index
    assert "2 microphones answer to the name 'usb audio'" in str(find_device("usb audio", devices))
    assert "there is no microphone '1'" in str(find_device("1", devices))
