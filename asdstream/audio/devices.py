"""Input devices by name and by an id that survives a reboot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asdstream.audio.portaudio import PortAudio, portaudio

_ALSA_HARDWARE = re.compile(r"^(?P<label>.*?)\s*\(hw:(?P<card>\d+),(?P<device>\d+)\)$")


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that can record.

    `stable_id` does not depend on the order in which devices were found: `usb:<vendor>:<product>:<serial>` or, without
    a serial number, `usb:<vendor>:<product>@<port>`; `alsa:<card>,<device>` for other cards; `<host api>:<name>` for
    what is no hardware. `index` is PortAudio's and only good until the devices are listed anew. `sample_rate` (Hz) is
    the device's preferred one; `channels` is the most it offers.
    """

    name: str
    stable_id: str
    host_api: str
    sample_rate: int
    channels: int
    index: int


def list_devices(audio: PortAudio | None = None, root: Path = Path("/")) -> list[InputDevice]:
    """All input devices at present. Raises AudioError where PortAudio is missing. `root` is that of /proc and /sys."""
    found = []
    for index, device in enumerate((audio or portaudio()).devices()):
        if device["max_input_channels"] > 0:
            name, host_api = str(device["name"]), str(device["host_api"])
            found.append(
                InputDevice(
                    name=name,
                    stable_id=stable_id(name, host_api, root),
                    host_api=host_api,
                    sample_rate=round(device["default_samplerate"]),
                    channels=int(device["max_input_channels"]),
                    index=index,
                )
            )
    return found


def stable_id(name: str, host_api: str, root: Path = Path("/")) -> str:
    """The id of a device that PortAudio calls `name`; see `InputDevice`."""
    hardware = _ALSA_HARDWARE.match(name)
    if host_api != "ALSA" or not hardware:
        return f"{host_api.lower().replace(' ', '-')}:{name}"
    card, device = hardware["card"], hardware["device"]
    suffix = "" if device == "0" else f",{device}"
    usb_id = _read(root / "proc/asound" / f"card{card}" / "usbid")
    if usb_id:
        # The card's device is the USB interface (1-1.4:1.0); the serial number stands with the USB device above it.
        interface = (root / "sys/class/sound" / f"card{card}" / "device").resolve()
        serial = _read(interface.parent / "serial")
        place = f":{serial}" if serial else f"@{interface.name.split(':')[0]}"
        return f"usb:{usb_id}{place}{suffix}"
    return f"alsa:{_read(root / 'proc/asound' / f'card{card}' / 'id') or hardware['label']},{device}"


def find_device(wanted: str, devices: Sequence[InputDevice]) -> InputDevice | str:
    """The device that `wanted` names, or one sentence on why there is none.

    Tried in this order: the stable id; the whole name; the name without its ` (hw:1,0)`; a part of the name in any
    case, if only one device has it and it is more than digits (an index is no name).
    """
    label = [(device, _ALSA_HARDWARE.match(device.name)) for device in devices]
    attempts = (
        [device for device in devices if device.stable_id == wanted],
        [device for device in devices if device.name == wanted],
        [device for device, hardware in label if hardware and hardware["label"] == wanted],
        [device for device in devices if not wanted.isdigit() and wanted.lower() in device.name.lower()],
    )
    for matches in attempts:
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(device.stable_id for device in matches)
            return f"{len(matches)} microphones answer to the name {wanted!r}; give the id of one of them: {ids}"
    present = ", ".join(f"{device.name!r}" for device in devices) or "none at all"
    return f"there is no microphone {wanted!r} (present: {present}); waiting for it"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
