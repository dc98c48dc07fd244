"""What is logged."""

from typing import Literal

from pydantic import Field

from asdstream.config.fields import Section


class LogSection(Section):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` writes for people on a terminal and JSON elsewhere."
    )
