"""asdstream references: what a machine's windows are compared with, besides the bundle's prototypes."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from asdstream.cli.asking import ActorOption, actor_of
from asdstream.cli.options import ConfigOption, JsonOption, channel_of, load_config
from asdstream.cli.shown import show
from asdstream.cli.store import store_of, store_to_read
from asdstream.config import Config
from asdstream.mqtt.payloads import utc_text
from asdstream.scoring.reference import LABEL_PREFIX
from asdstream.store.store import Store

app = typer.Typer(
    help="Show or change the references of a machine; every change can be undone.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
MachineArgument = Annotated[str, typer.Argument(metavar="MACHINE", help="Machine of the configuration.")]


@app.command("list")
def list_references(machine: MachineArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the references of a machine, every change of them with its actor and time, and what was learnt of it."""
    from asdstream.commissioning import progress_of

    settings = load_config(config)
    channels = [channel for channel in settings.channels if channel.machine == machine]
    with _checked(store_to_read(settings), settings, machine) as store:
        entries, revisions = store.references.entries(machine), store.references.revisions(machine)
        progress = progress_of(store, machine, channels)
    held_out = [entry for entry in entries if entry.held_out_hop_s is not None]
    held_out_s = sum(entry.seconds or 0.0 for entry in held_out)
    if as_json:
        facts = {
            "machine": machine,
            "revision": revisions[-1].revision if revisions else 0,
            "references": [asdict(entry) | {"at": utc_text(entry.at)} for entry in entries],
            "held_out": {"recordings": len(held_out), "seconds": round(held_out_s, 3)},
            "commissioning": None if progress is None else asdict(progress) | {"done": round(progress.done, 3)},
            "revisions": [asdict(change) | {"at": utc_text(change.at)} for change in revisions],
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table("label", "from", "revision", "at", "by", "seconds", "for", box=None)
    for entry in entries:
        hop_s = entry.held_out_hop_s
        purpose = "comparison" if hop_s is None else f"calibration, a window every {hop_s:g} s"
        seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
        table.add_row(
            *(entry.label, entry.name, str(entry.revision), utc_text(entry.at), entry.actor, seconds, purpose)
        )
    show(table if entries else f"{machine} has no references.")
    if held_out:
        show(f"{held_out_s / 60:.1f} minutes are held out for the calibration.")
    if progress is not None and progress.learning:
        of_all = "" if progress.problem else f"of {progress.listen_s / 60:.0f} "
        show(
            f"{machine} is learning: {progress.heard_s / 60:.0f} {of_all}minutes were listened to; "
            f"{progress.problem or 'it raises no anomaly alarm until then'}.",
        )
    elif progress is not None and progress.report is not None:
        show(f"Commissioned {utc_text(progress.report.finished_at)}: {progress.report.sentence}.")
    history = Table("revision", "at", "by", "change", "references", box=None)
    for change in revisions:
        history.add_row(*(str(change.revision), utc_text(change.at), change.actor, change.action, str(change.size)))
    if revisions:
        show(history)


@app.command("remove")
def remove(
    machine: MachineArgument,
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="Of the references; see the list.")],
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take references out: all that are named, or none. Their sound is kept, so that a rollback brings them back.

    A running daemon that uses the same store takes the change up within seconds.
    """
    with _store(config, machine) as store:
        wanted = [label.removeprefix(LABEL_PREFIX) for label in labels]
        revision = store.references.remove(machine, wanted, actor=actor_of(actor), at=time.time())
        _tell(store, machine, revision, as_json)


@app.command("rollback")
def rollback(
    machine: MachineArgument,
    revision: Annotated[int, typer.Argument(metavar="REVISION", help="The set as it was then; 0 is none at all.")],
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the references what they were at an earlier revision, as a new one.

    A running daemon that uses the same store takes the change up within seconds.
    """
    with _store(config, machine) as store:
        made = store.references.rollback(machine, revision, actor=actor_of(actor), at=time.time())
        _tell(store, machine, made, as_json)


def _store(config: ConfigOption, machine: str) -> AbstractContextManager[Store]:
    settings = load_config(config)
    return _checked(store_of(settings), settings, machine)


@contextmanager
def _checked(opened: Store, settings: Config, machine: str) -> Iterator[Store]:
    """Refuse a machine that neither the store nor the configuration knows."""
    with closing(opened) as store:
        if machine not in store.references.machines():
            channel_of(settings, machine)
        yield store


def _tell(store: Store, machine: str, revision: int, as_json: bool) -> None:
    count = len(store.references.entries(machine))
    if as_json:
        typer.echo(json.dumps({"machine": machine, "revision": revision, "references": count}))
    else:
        typer.echo(f"{machine} now has {count} references, revision {revision}.")
