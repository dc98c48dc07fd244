"""A PortAudio that is there and does not work."""

from types import SimpleNamespace

import pytest

from asdstream.audio.portaudio import PortAudio, import_sounddevice
from asdstream.audio.source import AudioError


class PortAudioError(Exception):
    """As sounddevice has one."""


def fails() -> None:
    raise PortAudioError("Error initializing PortAudio: Unanticipated host error [PaErrorCode -9999]")


def test_a_sound_system_that_cannot_be_started_is_said_in_a_sentence() -> None:
    with pytest.raises(AudioError, match="PortAudio cannot be started, so there are no microphones: Error init"):
        import_sounddevice(lambda _: fails())


def test_devices_that_cannot_be_listed_are_said_in_a_sentence() -> None:
    audio = PortAudio(SimpleNamespace(query_hostapis=fails), cards=lambda: "")
    with pytest.raises(AudioError, match="the sound devices of this machine cannot be listed: Error init"):
        audio.devices()
