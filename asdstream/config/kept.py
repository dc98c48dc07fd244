"""What is kept on the disk, and how much of it."""

from pathlib import Path

from pydantic import Field

from asdstream.config.fields import AnyPath, Section
from asdstream.config.state_directory import state_directory


def _default_store() -> Path:
    """systemd's state directory where there is one, else beside the configuration."""
    return (state_directory() or Path()) / "asdstream.db"


class StoreSection(Section):
    """Where alarms, unsent messages and references are kept."""

    path: AnyPath = Field(default_factory=_default_store, description="The SQLite database; made when absent.")
    max_bytes: int = Field(
        default=10_000_000_000,
        ge=1_000_000,
        le=10**15,
        description="How large the database may become, with the files beside it. What can be spared makes room, sound "
        "first; alarms and their messages never do.",
    )


class ClipsSection(Section):
    """The sound around each alarm, kept in the folder `clips` beside the store."""

    enabled: bool = Field(default=True, description="Whether any is kept.")
    pre_roll_s: float = Field(
        default=15.0,
        ge=0.0,
        le=60.0,
        description="Seconds before the raise; what raises an alarm takes some to be told from chance.",
    )
    post_roll_s: float = Field(default=10.0, ge=0.0, le=60.0, description="Seconds after it.")
    max_bytes: int = Field(
        default=2_000_000_000, ge=1_000_000, le=10**15, description="Of all clips together; the oldest make room."
    )
    max_age_days: float = Field(default=90.0, gt=0.0, le=36_500.0, description="Older ones are deleted.")
