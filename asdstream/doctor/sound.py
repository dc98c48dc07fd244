"""PortAudio, the inputs of this box, and what the configured microphones hear."""

import time
from collections.abc import Iterator, Sequence

from asdstream.audio.devices import InputDevice, find_device, list_devices
from asdstream.audio.microphone import MicrophoneSource
from asdstream.audio.portaudio import PortAudio, portaudio
from asdstream.audio.quality import QualityMeter
from asdstream.audio.source import AudioError, Source
from asdstream.config import ChannelSection, MicrophoneSettings
from asdstream.doctor.finding import Finding, failed, ok, warning
from asdstream.doctor.source import look_at_source, no_microphone

LISTEN_WITHIN_S = 5.0
"""For one second of sound; a card needs about half a second to begin."""
POLL_S = 0.05
QUIET_DBFS = -70.0
"""A microphone beside a machine is never so quiet: its gain is down, or it is another input."""
LOUD_SHARE = 0.001


def look_at_sound(channels: Sequence[ChannelSection], audio: PortAudio | None = None) -> Iterator[Finding]:
    """Of every channel's source, of PortAudio and of what is heard by the microphones.

    Where no channel has a microphone, a missing PortAudio is no fault.
    """
    wanted = [channel for channel in channels if isinstance(channel.source, MicrophoneSettings)]
    for channel in channels:
        if channel not in wanted:
            yield from look_at_source(channel)
    try:
        audio = audio or portaudio()
        devices = list_devices(audio)
    except AudioError as error:
        report = failed if wanted else warning
        yield report("PortAudio", str(error), "apt-get install libportaudio2")
        return
    names = ", ".join(device.name for device in devices) or "none"
    yield ok("PortAudio", f"works; inputs: {names}")
    for channel in wanted:
        yield from _microphone(channel, devices, audio)


def _microphone(channel: ChannelSection, devices: Sequence[InputDevice], audio: PortAudio) -> Iterator[Finding]:
    subject = f"microphone of {channel.id}"
    settings = channel.source
    assert isinstance(settings, MicrophoneSettings)  # noqa: S101 - the caller has sorted
    found = find_device(settings.device, list(devices))
    if isinstance(found, str):
        yield no_microphone(subject, found, devices)
        return
    source = MicrophoneSource(settings.device, settings.sample_rate, settings.channels, audio=audio)
    source.start(time.monotonic())
    try:
        yield level_of(subject, found, source)
    finally:
        source.stop()


def level_of(subject: str, device: InputDevice, source: Source) -> Finding:
    """What a `source` that has been started hears of `device`, over a second."""
    meter = QualityMeter()
    rate = device.sample_rate
    give_up_at = time.monotonic() + LISTEN_WITHIN_S
    while meter.latest is None and time.monotonic() < give_up_at:
        for block in source.poll(time.monotonic()):
            rate = block.sample_rate
            meter.add(block.samples, rate)
        time.sleep(POLL_S)
    heard = meter.latest
    if heard is None:
        reason = source.problem or f"no sound from {device.name} within {LISTEN_WITHIN_S:.0f} s"
        return failed(subject, reason, "see whether another program holds it: fuser -v /dev/snd/*")
    says = f"{device.name} ({device.stable_id}) hears {heard.level_dbfs:.0f} dBFS at {rate} Hz"
    if heard.level_dbfs < QUIET_DBFS:
        return warning(subject, f"{says}: quieter than any machine", "raise its gain: alsamixer -V capture")
    if heard.clipped > LOUD_SHARE:
        return warning(
            subject, f"{says}: {heard.clipped:.1%} of the samples are clipped", "lower its gain: alsamixer -V capture"
        )
    return ok(subject, says)
