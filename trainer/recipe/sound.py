"""The sound of a recipe."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, field_validator, model_validator

from asdstream.config_problems import problem
from trainer.recipe.table import Range, Table, each_once, not_empty


def _listed(value: object) -> object:
    """Allow "0, 2-10" for [0, 2, 3, ..., 10]."""
    if not isinstance(value, str):
        return value
    numbers: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
            raise problem('should be a list of numbers, or a text such as "0, 2-10"')
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


class VarietySettings(Table):
    """Simulated machines that only the learning stages hear: the wider, the better the encoders travel.

    Each type, identity, operating point and state is a class of its own for the stages that tell recordings apart.
    """

    machine_types: Annotated[tuple[str, ...], AfterValidator(each_once)] | None = Field(
        default=None, description="All that the simulator knows where left out"
    )
    identities: Annotated[
        tuple[NonNegativeInt, ...], BeforeValidator(_listed), AfterValidator(not_empty), AfterValidator(each_once)
    ] = Field(default=(0, 2, 3), description='Machines of each type: a list, or a text such as "0, 2-10"')
    points: int = Field(
        default=1,
        ge=1,
        description="Operating points of each machine. With one, speed, load and ratio are drawn for each recording; "
        "with more, each point has its own, and its room, microphone and background",
    )
    speed: Range = Field(default=(1.0, 1.0), description="Parts of the rated speed")
    load: Range = (0.3, 0.9)
    snr_db: Range = Field(default=(5.0, 20.0), description="Level over the background, where it is heard with it")
    faults: int = Field(default=0, ge=0, description="Faulty states of each operating point, besides the healthy one")
    severity: Range = Field(default=(0.4, 1.0), description="How far faults have come")
    recordings: int = Field(default=4, ge=1, description="Recordings of each state")
    seconds: float = Field(default=20.0, ge=10.0, description="Length of each recording")
    backgrounds: int = Field(
        default=0,
        ge=0,
        description="Recordings of background alone, for the augmentation to mix in; with any, machines are heard "
        "without background",
    )

    @field_validator("severity")
    @classmethod
    def _severity_is_a_part(cls, severity: tuple[float, float]) -> tuple[float, float]:
        if severity[0] <= 0.0 or severity[1] > 1.0:
            raise problem("should lie between 0, exclusively, and 1")
        return severity

    @field_validator("speed")
    @classmethod
    def _speed_is_near_the_rated_one(cls, speed: tuple[float, float]) -> tuple[float, float]:
        if speed[0] < 0.2 or speed[1] > 2.0:
            raise problem("should lie between 0.2 and 2 times the rated speed")
        return speed


class SimulatedMachine(Table):
    """A simulated machine that the bundle knows: it gets prototypes and a calibration."""

    machine_type: str
    identity: NonNegativeInt = 0
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
    machines: tuple[SimulatedMachine, ...] = Field(
        default=(), description="None make a bundle that knows machines by enrolment alone"
    )

    @model_validator(mode="after")
    def _there_is_sound(self) -> "SimulatorSound":
        if self.variety is None and not self.machines:
            raise problem("should have at least one element, or a variety beside it", "machines")
        types = [machine.machine_type for machine in self.machines]
        for place, machine_type in enumerate(types):
            if machine_type in types[:place]:
                raise problem(
                    "is {machine_type} a second time; a bundle knows each type once",
                    *("machines", place, "machine_type"),
                    machine_type=machine_type,
                )
        return self


class FolderSound(SoundSettings):
    """Training sound from a folder in the DCASE layout, given with --data."""

    kind: Literal["folder"]
    machines: Annotated[tuple[str, ...], AfterValidator(each_once)] | None = Field(
        default=None, description="All that are found where left out"
    )
    held_out: float = Field(
        default=0.15, gt=0.0, lt=1.0, description="Share of source clips that only the calibration hears"
    )
    variety: VarietySettings | None = Field(
        default=None, description="Simulated machines to be told apart from the recorded ones"
    )
    leave_out: tuple[str, ...] = Field(
        default=(), description="Attributes that do not tell classes apart, such as the kind of background noise"
    )


class AugmentationSettings(Table):
    """Background noise mixed into what the stages with `noise = true` hear; the report's -5 to 10 dB."""

    noise: Literal["off", "sound"] = Field(
        default="off", description="Off, or from the recordings of noise that come with the sound"
    )
    snr_db: Range = (-5.0, 10.0)
    probability: float = Field(default=1.0, gt=0.0, le=1.0, description="Share of the clips that noise is mixed into")
    gain_db: Range = Field(default=(0.0, 0.0), description="Change of every clip's level, for microphones to come")

    @property
    def changes_sound(self) -> bool:
        """Whether there is anything to do."""
        return self.noise != "off" or self.gain_db != (0.0, 0.0)
