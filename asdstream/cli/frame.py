"""What every command line of the project has in common: a version, a quiet log, errors of one line."""

import sys
from typing import Annotated

import typer

from asdstream import __version__, log
from asdstream.errors import AsdstreamError


def new_app(name: str, summary: str) -> typer.Typer:
    """A command line called `name` that explains itself with `summary`, to be filled with commands."""
    app = typer.Typer(
        name=name,
        help=summary,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    def print_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"{name} {__version__}")
            raise typer.Exit

    @app.callback()
    def options(
        _version: Annotated[
            bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
        ] = False,
    ) -> None:
        # What a command has to say goes to standard output, so the log must keep away from it; the daemon says more.
        log.configure("error")

    return app


def run_app(app: typer.Typer) -> None:
    """Run the command that was given; an error that the user can mend becomes one line and its exit code."""
    try:
        app()
    except AsdstreamError as error:
        typer.echo(f"{app.info.name}: {error}", err=True)
        sys.exit(error.exit_code)
