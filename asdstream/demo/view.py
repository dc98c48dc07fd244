"""The demo on a terminal: one line a machine, its scores as a strip against the threshold."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from asdstream.demo.scoreboard import STRIP_WINDOWS, MachineRow, Scoreboard

EVENTS = 8
"""How many of the latest are shown."""
_BARS = "▁▂▃▄▅▆▇█"
_FULL_BAR = 2.0
"""The calibrated score that fills the strip's height, so the threshold (1) stands in the middle."""


def bar(calibrated: float) -> str:
    """One character as high as the calibrated score: the lower half is normal, the upper half over the threshold."""
    level = int(max(0.0, min(calibrated / _FULL_BAR, 1.0)) * len(_BARS))
    return _BARS[min(level, len(_BARS) - 1)]


def strip(calibrated: Iterable[float]) -> Text:
    """The latest windows from left to right; those over the threshold in red."""
    text = Text()
    for value in calibrated:
        text.append(bar(value), style="bold red" if value > 1.0 else "green")
    text.append(" " * (STRIP_WINDOWS - len(text)))
    return text


def state_of(row: MachineRow) -> Text:
    """In one word, as an operator would say it."""
    if row.alarm_active:
        return Text("ALARM", style="bold white on red")
    if not row.windows:
        return Text("listening", style="dim")
    return Text("normal", style="green")


def render(board: Scoreboard, headline: str, hint: str) -> RenderableType:
    """The whole screen: the machines, the latest events, and how to look at the same from outside."""
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("machine", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column(f"last {STRIP_WINDOWS} windows (red: over the threshold)", no_wrap=True)
    table.add_column("score / threshold", justify="right", no_wrap=True)
    table.add_column("windows", justify="right", no_wrap=True)
    for row in board.rows.values():
        numbers = "-" if row.score is None or row.threshold is None else f"{row.score:.4f} / {row.threshold:.4f}"
        table.add_row(row.channel, state_of(row), strip(row.calibrated), numbers, str(row.windows))
    latest = board.events[-EVENTS:]
    events = Text("\n".join(latest) or "no alarm so far", style="" if latest else "dim")
    return Group(
        Panel(table, title=headline, title_align="left"),
        Panel(events, title="event/alarm", title_align="left"),
        Text(hint, style="cyan", no_wrap=True, overflow="fold"),
    )


def plain_line(board: Scoreboard) -> str:
    """The same in one line, for where there is no terminal to draw on."""
    return "  ".join(
        f"{row.channel} {state_of(row).plain}" + (f" {row.calibrated[-1]:.2f}" if row.calibrated else "")
        for row in board.rows.values()
    )
