"""asdstream devices: what a microphone channel may name."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from asdstream.audio.devices import list_devices
from asdstream.cli.options import JsonOption
from asdstream.cli.shown import show


def devices(as_json: JsonOption = False) -> None:
    """List the sound inputs of this machine with the name and the stable id that a configuration may use.

    The name is what the system calls a device; the stable id stays the same when devices are plugged in another order.
    """
    found = list_devices()
    if as_json:
        shown = [{key: value for key, value in asdict(device).items() if key != "index"} for device in found]
        typer.echo(json.dumps(shown, indent=2))
        return
    if not found:
        typer.echo("No sound input found. Plug one in, and see whether `arecord -l` lists it.")
        return
    table = Table("name", "stable id", "system", "rate (Hz)", "channels")
    for device in found:
        table.add_row(device.name, device.stable_id, device.host_api, str(device.sample_rate), str(device.channels))
    show(table)
