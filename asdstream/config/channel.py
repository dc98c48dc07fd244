"""One stream of sound."""

from typing import Annotated, Literal

from pydantic import Field

from asdstream.config.fields import Name, Section, TopicLevel
from asdstream.config.sources import SourceSettings

MAX_LISTEN_S = 21_600.0
"""Of a machine that is commissioned; no more of its sound is kept until then."""


class CommissioningSection(Section):
    """A new machine is listened to, and then makes its own references and threshold; the table's presence asks for it.

    It is for a machine without references, which raises no anomaly alarm until it is done.
    """

    listen_s: float = Field(
        default=7200.0,
        ge=300.0,
        le=MAX_LISTEN_S,
        description="Seconds of sound of a healthy machine; what is lost, silent or clipped does not count. Where they "
        "give no threshold it is listened to for longer, six hours at most.",
    )
    references: int = Field(
        default=16,
        ge=10,
        le=256,
        description="At most so many windows of it become references, ten at least, which can give a threshold among "
        "themselves; the rest is held out.",
    )


class ChannelSection(Section):
    """One audio stream and the machine it listens to."""

    id: TopicLevel = Field(description="Level of the channel's MQTT topics.")
    machine: Name = Field(description="What it listens to; several channels may share a machine.")
    machine_type: Name = Field(description="A machine type of the bundle, which brings prototypes and calibration.")
    hop: float = Field(default=1.0, ge=0.1, le=10.0, description="Seconds from one window to the next.")
    separate: Literal["auto", "on", "off", "both"] = Field(
        default="auto",
        description="Separation from the background; `auto`: as the bundle's prototypes of the type were made, and for "
        "a type that it does not know, where it has a separator for just that; `both`: sound is scored as it is and "
        "separated, each against what was heard alike, and the two scores are averaged, each measured by its own "
        "way from normal sound to the threshold.",
    )
    commissioning: CommissioningSection | None = None
    source: Annotated[SourceSettings, Field(discriminator="kind")]
