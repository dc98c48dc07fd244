"""asdstream alarms: which alarms stand, and what people do to them, through the running daemon."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from asdstream.cli.asking import ActorOption, actor_of, ask_daemon
from asdstream.cli.options import ConfigOption, JsonOption, load_config
from asdstream.cli.shown import show

app = typer.Typer(help="Show and handle the alarms of a running daemon.", no_args_is_help=True, rich_markup_mode=None)
AlarmArgument = Annotated[str, typer.Argument(metavar="ALARM", help="Such as fan-1.anomaly; see the list.")]


@app.command("list")
def list_alarms(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every alarm that stands, is shelved, out of service, unacknowledged or in doubt."""
    alarms = ask_daemon(load_config(config), "alarms", actor_of(None), {})["alarms"]
    if as_json:
        typer.echo(json.dumps(alarms, indent=2))
        return
    if not alarms:
        typer.echo("no alarm stands")
        return
    table = Table("alarm", "stands", "priority", "since", "how", "reason", box=None)
    for alarm in alarms:
        stands = "yes" if alarm["active"] else "no"
        table.add_row(
            *(alarm["alarm_id"], stands, alarm["priority"], alarm["raised_at"] or "", _how(alarm), alarm["reason"])
        )
    show(table)


@app.command("ack")
def ack(
    alarm: AlarmArgument, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False
) -> None:
    """Acknowledge: somebody has seen it and sees to it."""
    _do("ack", {"alarm_id": alarm}, config, actor, as_json)


@app.command("shelve")
def shelve(
    alarm: AlarmArgument,
    minutes: Annotated[float, typer.Option("--minutes", min=0.01, max=525_600, help="For how long.")],
    once: Annotated[bool, typer.Option("--once", help="At most until the alarm clears.")] = False,
    config: ConfigOption = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an alarm aside for a while: it is watched, but not announced."""
    _do("shelve", {"alarm_id": alarm, "seconds": minutes * 60, "once": once}, config, actor, as_json)


@app.command("unshelve")
def unshelve(
    alarm: AlarmArgument, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False
) -> None:
    """Take an alarm off the shelf."""
    _do("unshelve", {"alarm_id": alarm}, config, actor, as_json)


@app.command("reset")
def reset(
    alarm: AlarmArgument, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False
) -> None:
    """Let go of a latched alarm whose condition is over."""
    _do("reset", {"alarm_id": alarm}, config, actor, as_json)


@app.command("out-of-service")
def out_of_service(
    alarm: AlarmArgument, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False
) -> None:
    """Announce nothing until the alarm is put back into service."""
    _do("out_of_service", {"alarm_id": alarm}, config, actor, as_json)


@app.command("in-service")
def in_service(
    alarm: AlarmArgument, config: ConfigOption = None, actor: ActorOption = None, as_json: JsonOption = False
) -> None:
    """Announce again."""
    _do("in_service", {"alarm_id": alarm}, config, actor, as_json)


def _do(verb: str, args: dict[str, Any], config: ConfigOption, actor: str | None, as_json: bool) -> None:
    alarm = ask_daemon(load_config(config), verb, actor_of(actor), args)
    stands = "stands" if alarm["active"] else "does not stand"
    typer.echo(
        json.dumps(alarm) if as_json else ", ".join(filter(None, [f"{alarm['alarm_id']} {stands}", _how(alarm)]))
    )


def _how(alarm: dict[str, Any]) -> str:
    marks = {
        "latched": alarm["latched"],
        f"acknowledged by {alarm['acknowledged_by']}": alarm["acknowledged"],
        f"shelved until {alarm['shelved_until']}": alarm["shelved"],
        f"out of service by {alarm['out_of_service_by']}": alarm["out_of_service"],
        "nobody can tell": alarm["condition"] == "unknown",
    }
    return ", ".join(mark for mark, holds in marks.items() if holds)
