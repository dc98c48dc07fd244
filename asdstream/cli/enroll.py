"""asdstream enroll: tell a machine's normal sound where it stands."""

import getpass
import json
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asdstream.cli.options import ConfigOption, JsonOption, channel_of, load_config
from asdstream.store.store import Store
from asdstream.wiring import embedder_of, separation_of


def enroll(
    machine: Annotated[str, typer.Argument(help="Machine of the configuration.", metavar="MACHINE")],
    files: Annotated[
        list[Path], typer.Argument(help="WAV or FLAC recordings of its normal sound, or folders.", metavar="FILES...")
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add recordings of a machine's normal sound, made where it now stands, to what its windows are compared with.

    All recordings are added or none. Ten recordings of ten seconds are what the method was made for. A running daemon
    that uses the same store takes them up within seconds.
    """
    from asdstream import bundle as bundles
    from asdstream.enrolment import enrol_files

    settings = load_config(config)
    channel = channel_of(settings, machine)
    loaded = bundles.load(bundles.resolve(settings.bundle))
    separate_as = separation_of(loaded, channel.machine_type, channel.separate)
    embedder = embedder_of(settings.engine, loaded)
    with closing(Store(settings.store.path)) as store:
        enrolled = enrol_files(
            store, embedder, loaded, machine, files, getpass.getuser(), time.time(), separate_as=separate_as
        )
        count = sum(entry.held_out_hop_s is None for entry in store.references.entries(machine))
    if as_json:
        typer.echo(json.dumps({"machine": machine, "enrolled": [asdict(row) for row in enrolled], "references": count}))
        return
    for row in enrolled:
        typer.echo(f"{row.label}  {row.seconds:6.1f} s  {row.windows} windows  {row.file}")
    typer.echo(f"{machine} now has {count} references.")
