"""What a user may set in a recipe: the TOML file that `asdtrain run` turns into a bundle."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from asdstream.config_problems import problem, problems_by_line, syntax_problem
from trainer.errors import RecipeError

_NAME = r"^[a-z0-9][a-z0-9._-]*$"
_NAME_IN_WORDS = "should be the characters a-z, 0-9, '.', '-' and '_', a letter or digit first"

Value = TypeVar("Value")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecoderSettings(_Table):
    """Size of the decoder that reconstructs; it is thrown away after training."""

    embed_dim: int = Field(default=512, ge=16, description="Width of the decoder")
    depth: int = Field(default=16, ge=1, description="Swin blocks, shifted and unshifted in turn")
    heads: int = Field(default=16, ge=1)


class ModelSettings(_Table):
    """The encoder."""

    size: Literal["tiny", "base"] = "tiny"
    decoder: DecoderSettings = DecoderSettings()


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise problem("should begin with the smaller value, not {low:g}", low=bounds[0])
    return bounds


def _not_empty(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if not values:
        raise problem("should have at least one element")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""Smallest and largest value."""


class VarietySettings(_Table):
    """Simulated machines that only the generative stage hears: the wider, the better the encoder travels."""

    machine_types: tuple[str, ...] | None = Field(
        default=None, description="All that the simulator knows where left out"
    )
    identities: tuple[int, ...] = (0, 2, 3)
    snr_db: Range = (5.0, 20.0)
    load: Range = (0.3, 0.9)
    recordings: int = Field(default=4, ge=1, description="Recordings of each identity of each machine type")
    seconds: float = Field(default=20.0, ge=10.0, description="Length of each recording")


class SimulatedMachine(_Table):
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


class SimulatorSound(_Table):
    """Training sound that the simulator makes; needs no data."""

    kind: Literal["simulator"]
    variety: VarietySettings | None = None
    machines: Annotated[tuple[SimulatedMachine, ...], AfterValidator(_not_empty)]


class FolderSound(_Table):
    """Training sound from a folder in the DCASE layout, given with --data."""

    kind: Literal["folder"]
    machines: tuple[str, ...] | None = Field(default=None, description="All that are found where left out")
    held_out: float = Field(
        default=0.15, gt=0.0, lt=1.0, description="Share of source clips that only the calibration hears"
    )


class MaskSettings(_Table):
    """What the generative stage hides from the encoder."""

    kind: Literal["random", "time_frequency", "mel_rectangles"] = "random"
    ratio: float = Field(default=0.8, gt=0.0, lt=1.0, description="Share of patches hidden (random)")
    time_ratio: float = Field(default=0.7, ge=0.0, lt=1.0, description="Share of time steps hidden (time_frequency)")
    frequency_ratio: float = Field(default=0.3, ge=0.0, lt=1.0, description="Share of bands hidden (time_frequency)")


class GenerativeSettings(_Table):
    """Masked spectrogram reconstruction. The defaults are the report's for machine sound."""

    epochs: int = Field(default=100, ge=1)
    warmup_epochs: int = Field(default=10, ge=0)
    batch_size: int = Field(default=512, ge=1, description="Clips per optimiser step")
    micro_batch: int = Field(
        default=32, ge=1, description="Clips at once in memory; gradients are accumulated to batch_size"
    )
    learning_rate: float = Field(default=2e-4, gt=0.0)
    minimum_learning_rate: float = Field(default=1e-6, ge=0.0)
    weight_decay: float = Field(default=1e-5, ge=0.0)
    gradient_clip: float = Field(default=1.0, gt=0.0, description="Largest norm of the gradient")
    loss: Literal["l1", "mse"] = "l1"
    normalise_patches: bool = Field(default=False, description="Standardise each target patch by itself")
    mask: MaskSettings = MaskSettings()
    checkpoint_minutes: float = Field(default=5.0, gt=0.0)
    cache_gib: float = Field(
        default=4.0, ge=0.0, description="Memory for front ends computed once; the rest is recomputed"
    )

    @model_validator(mode="after")
    def _warm_up_fits(self) -> "GenerativeSettings":
        if self.warmup_epochs >= self.epochs:
            raise problem("should be smaller than epochs ({epochs})", "warmup_epochs", epochs=self.epochs)
        return self


class PrototypeSettings(_Table):
    """How normal sound is summarised."""

    source: int = Field(default=16, ge=1, description="KMeans centroids of the source-domain embeddings")
    target: int = Field(default=10, ge=0, description="Target-domain references taken as they are")
    hop_seconds: float = Field(default=1.0, gt=0.0, description="Hop of the windows that the centroids are fitted to")


class CalibrationSettings(_Table):
    """How the scores of held-out normal sound become a threshold."""

    hop_seconds: float = Field(default=1.0, gt=0.0, description="Hop of the scored windows")


class ExportSettings(_Table):
    """What the bundle says and how its weights are stored."""

    weights: Literal["float16", "float32"] = "float16"
    licence_notes: Annotated[tuple[str, ...], AfterValidator(_not_empty)] = Field(
        description="what may be done with the bundle, and why"
    )


class Recipe(_Table):
    """One bundle, from sound to export."""

    name: str = Field(pattern=_NAME, description="name of the bundle")
    seed: int = Field(default=0, ge=0)
    model: ModelSettings = ModelSettings()
    sound: Annotated[SimulatorSound | FolderSound, Field(discriminator="kind")]
    generative: GenerativeSettings = GenerativeSettings()
    prototypes: PrototypeSettings = PrototypeSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    export: ExportSettings


def read_recipe(path: Path) -> Recipe:
    """Read and check the recipe in the TOML file at `path`.

    Raises RecipeError, one line per problem as `FILE:LINE: KEY: what would be right`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: the file is not UTF-8 text (byte {error.start})") from None
    return parse_recipe(text, path)


def parse_recipe(text: str, path: Path) -> Recipe:
    """As `read_recipe`, from TOML `text` that stands, or would stand, at `path`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(syntax_problem(error, text, path)) from None
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(
            problems_by_line(error, Recipe, data=data, text=text, path=path, patterns={_NAME: _NAME_IN_WORDS})
        ) from None
