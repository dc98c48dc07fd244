"""The sound of a recipe."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from trainer.recipe.table import Range, Table, not_empty


class VarietySettings(Table):
    """Simulated machines that only the learning stages hear: the wider, the better the encoders travel."""

    machine_types: tuple[str, ...] | None = Field(
        default=None, description="All that the simulator knows where left out"
    )
    identities: tuple[int, ...] = (0, 2, 3)
    snr_db: Range = (5.0, 20.0)
    load: Range = (0.3, 0.9)
    recordings: int = Field(default=4, ge=1, description="Recordings of each identity of each machine type")
    seconds: float = Field(default=20.0, ge=10.0, description="Length of each recording")


class SimulatedMachine(Table):
    """A simulated machine that the bundle knows: it gets prototypes and a calibration."""

    machine_type: str
    identity: int = 0
    snr_db: Range = (12.0, 15.0)
    load: Range = (0.6, 0.6)
    recordings: int = Field(
        default=16, ge=2, description="Recordings for training and prototypes, each with its own seed"
    )
    held_out: int = Field(default=6, ge=2, description="Recordings that only the calibration hears")
    seconds: float = Field(default=30.0, ge=10.0, description="Length of each recording")


class SoundSettings(Table):
    """What both kinds of sound have in common."""

    cache_gib: float = Field(
        default=16.0, ge=0.0, description="Disk space for sound decoded once; the rest is read anew each time"
    )


class SimulatorSound(SoundSettings):
    """Training sound that the simulator makes; needs no data."""

    kind: Literal["simulator"]
    variety: VarietySettings | None = None
    machines: Annotated[tuple[SimulatedMachine, ...], AfterValidator(not_empty)]


class FolderSound(SoundSettings):
    """Training sound from a folder in the DCASE layout, given with --data."""

    kind: Literal["folder"]
    machines: tuple[str, ...] | None = Field(default=None, description="All that are found where left out")
    held_out: float = Field(
        default=0.15, gt=0.0, lt=1.0, description="Share of source clips that only the calibration hears"
    )


class AugmentationSettings(Table):
    """Background noise mixed into what the stages with `noise = true` hear; the report's -5 to 10 dB."""

    noise: Literal["off", "sound"] = Field(
        default="off", description="Off, or from the recordings of noise that come with the sound"
    )
    snr_db: Range = (-5.0, 10.0)
    probability: float = Field(default=1.0, gt=0.0, le=1.0, description="Share of the clips that noise is mixed into")
