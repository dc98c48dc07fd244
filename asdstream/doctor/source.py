"""Where the sound of a channel comes from, as far as that shows without listening."""

import grp
import os
from collections.abc import Iterator, Sequence

from asdstream.audio.devices import InputDevice, find_device, list_devices
from asdstream.audio.recording import find_recordings
from asdstream.config import ChannelSection, FileSettings, MicrophoneSettings
from asdstream.doctor.finding import Finding, failed, guarded, ok
from asdstream.wiring import make_source

AUDIO_GROUP = "audio"


def look_at_source(channel: ChannelSection) -> Iterator[Finding]:
    """Whether its settings fit together, and its recordings or its microphone are there."""
    subject = f"channel {channel.id}"
    yield from guarded(subject, lambda: _source(subject, channel), "mend the source of that channel")


def no_microphone(subject: str, says: str, devices: Sequence[InputDevice]) -> Finding:
    """The one that is configured is none of `devices`, the inputs of this box."""
    mend = _join_audio_group() if not devices else "asdstream devices lists the names; write one into the channel"
    return failed(subject, says, mend)


def _source(subject: str, channel: ChannelSection) -> Iterator[Finding]:
    source = channel.source
    make_source(channel)
    if isinstance(source, MicrophoneSettings):
        devices = list_devices()
        found = find_device(source.device, devices)
        if isinstance(found, str):
            yield no_microphone(subject, found, devices)
        else:
            yield ok(subject, f"microphone {found.name} ({found.stable_id})")
    elif isinstance(source, FileSettings):
        yield ok(subject, f"{len(find_recordings(source.path))} recordings")
    else:
        yield ok(subject, source.kind)


def _join_audio_group() -> str:
    try:
        members = grp.getgrnam(AUDIO_GROUP)
    except KeyError:
        return "see whether arecord -l lists a card"
    if os.geteuid() != 0 and members.gr_gid not in os.getgroups():
        return "usermod -aG audio $USER, then log in anew (the service has the group already)"
    return "see whether arecord -l lists a card; plug one in"
