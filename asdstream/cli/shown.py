"""Tables and sentences for people, printed as they are."""

import sys

from rich.console import Console
from rich.table import Table

UNBOUNDED = 10_000
"""Characters in a line, where no screen bounds it: what goes into a file or another program is not cut."""


def show(shown: Table | str) -> None:
    """Print it whole: a name with brackets is no markup, and what is too long for the screen goes on below."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    if isinstance(shown, Table):
        for column in shown.columns:
            column.overflow = "fold"
    Console(width=width, markup=False, emoji=False, highlight=False).print(shown)
