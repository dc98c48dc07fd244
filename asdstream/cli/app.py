"""The command line: collects the commands, and turns an error that the user can mend into one line."""

import sys
from typing import Annotated

import typer

from asdstream import __version__, log
from asdstream.cli import bundle, check, demo, devices, enroll, feed, run, score
from asdstream.errors import AsdstreamError

app = typer.Typer(
    name="asdstream",
    help="Hears a machine fail before it does: listens, scores ten-second windows, raises alarms over MQTT.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"asdstream {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    # What a command has to say goes to standard output, so the log must keep away from it; `run` says more.
    log.configure("error")


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("score")(score.score)
app.command("feed")(feed.feed)
app.command("enroll")(enroll.enroll)
app.command("devices")(devices.devices)
app.add_typer(bundle.app, name="bundle")


def main() -> None:
    """Entry point of `asdstream`."""
    try:
        app()
    except AsdstreamError as error:
        typer.echo(f"asdstream: {error}", err=True)
        sys.exit(error.exit_code)
