"""asdstream enroll: tell a machine's normal sound where it stands."""

import json
import re
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asdstream.cli.asking import ActorOption, actor_of, ask_daemon
from asdstream.cli.options import ConfigOption, JsonOption, channel_of, load_config
from asdstream.cli.store import store_of
from asdstream.config import Config, ConfigError
from asdstream.mqtt.commands import LONGEST_RECORDING_S, SHORTEST_RECORDING_S
from asdstream.wiring import bearable_rate, embedder_of, scorer_of, separation_of

EMBEDDED_WITHIN_S = 60.0
"""What the daemon may take to answer, after the sound has come."""


def enroll(
    machine: Annotated[str, typer.Argument(help="Machine of the configuration.", metavar="MACHINE")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="WAV or FLAC recordings of its normal sound, or folders.", metavar="FILES..."),
    ] = None,
    live: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Instead of files: so much of what the running daemon hears from now on, such as 60s or 2m.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take recordings that do not seem to belong.")] = False,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add recordings of a machine's normal sound, made where it now stands, to what its windows are compared with.

    All recordings are added or none. Ten recordings of ten seconds are what the method was made for. A running daemon
    that uses the same store takes them up within seconds.

    A recording that is silent, clipped, would itself raise the alarm or is far from everything that the machine is
    known by is refused. So a machine that the bundle knows from another place only is enrolled with three recordings
    or more, which speak for one another, or with --force.
    """
    settings = load_config(config)
    channel = channel_of(settings, machine)
    if bool(files) == (live is not None):
        raise ConfigError("enroll takes either FILES or --live DURATION")
    if live is not None:
        _enrol_live(settings, machine, live, actor_of(actor), force=force, as_json=as_json)
        return
    from asdstream import bundle as bundles
    from asdstream.enrolment import Belonging, enrol_files, references_of

    loaded = bundles.load(bundles.resolve(settings.bundle))
    separate_as = separation_of(loaded, channel.machine_type, channel.separate)
    embedder = embedder_of(settings.engine, loaded)
    with closing(store_of(settings)) as store:
        belonging = None
        if not force:
            known = references_of(store, embedder, loaded, machine, separate_as)
            rate = bearable_rate(settings.alarms, channel.hop)
            scorer = scorer_of(loaded, machine, channel.machine_type, rate, known, separate_as)
            belonging = Belonging(scorer, settings.alarms.clipped_share)
        enrolled = enrol_files(
            store, embedder, loaded, machine, files or [], actor_of(actor), time.time(), separate_as, belonging
        )
        count = sum(entry.held_out_hop_s is None for entry in store.references.entries(machine))
    if as_json:
        typer.echo(json.dumps({"machine": machine, "enrolled": [asdict(row) for row in enrolled], "references": count}))
        return
    for row in enrolled:
        typer.echo(f"{row.label}  {row.seconds:6.1f} s  {row.windows} windows  {row.file}")
    typer.echo(f"{machine} now has {count} references.")


def _enrol_live(settings: Config, machine: str, live: str, actor: str, *, force: bool, as_json: bool) -> None:
    seconds = _seconds(live)
    args = {"machine": machine, "seconds": seconds, "force": force}
    if not as_json:
        typer.echo(f"listening to {machine} for {seconds:.0f} s", err=True)
    made = ask_daemon(settings, "enroll", actor, args, seconds + EMBEDDED_WITHIN_S)
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(f"{made['label']}  {made['seconds']:6.1f} s  {made['windows']} windows  live sound of {made['channel']}")
    typer.echo(f"{machine} now has {made['references']} references.")


def _seconds(duration: str) -> float:
    found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?)(s|m|min)?", duration)
    seconds = float(found[1]) * (1 if found[2] in (None, "s") else 60) if found else 0.0
    if not SHORTEST_RECORDING_S <= seconds <= LONGEST_RECORDING_S:
        shortest, longest = f"{SHORTEST_RECORDING_S:.0f}s", f"{LONGEST_RECORDING_S / 60:.0f}m"
        raise ConfigError(f"--live {duration}: should be a duration from {shortest} to {longest}")
    return seconds
