"""The recipe: one bundle, from sound to export."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from asdstream.config_problems import problem, problems_by_line, syntax_problem
from trainer.errors import RecipeError
from trainer.recipe.model import ModelSettings
from trainer.recipe.sound import AugmentationSettings, FolderSound, SimulatorSound
from trainer.recipe.stages import (
    FusionSettings,
    GenerativeSettings,
    Phase1Settings,
    Phase2Settings,
    SeparatorSettings,
)
from trainer.recipe.table import Table, not_empty

_NAME = r"^[a-z0-9][a-z0-9._-]*$"
_NAME_IN_WORDS = "should be the characters a-z, 0-9, '.', '-' and '_', a letter or digit first"


class PrototypeSettings(Table):
    """How normal sound is summarised."""

    source: int = Field(default=16, ge=1, description="KMeans centroids of the source-domain embeddings")
    target: int = Field(default=10, ge=0, description="Target-domain references taken as they are")
    hop_seconds: float = Field(default=1.0, gt=0.0, description="Hop of the windows that the centroids are fitted to")


class CalibrationSettings(Table):
    """How the scores of held-out normal sound become a threshold."""

    hop_seconds: float = Field(default=1.0, gt=0.0, description="Hop of the scored windows")


class ExportSettings(Table):
    """What the bundle says and how its weights are stored."""

    weights: Literal["float16", "float32"] = "float16"
    licence_notes: Annotated[tuple[str, ...], AfterValidator(not_empty)] = Field(
        description="what may be done with the bundle, and why"
    )
    decoder: bool | None = Field(
        default=None,
        description="Whether AudioMAE's decoder goes into the bundle, for maps of what is unexpected in an alarm: "
        "where it still belongs to the exported encoder if left out; where later stages moved that, true puts in the "
        "encoder of the generative stage once more, with its decoder",
    )


class Recipe(Table):
    """One bundle, from sound to export. A stage that trains runs where its table stands, and is left out otherwise."""

    name: str = Field(pattern=_NAME, description="name of the bundle")
    seed: int = Field(default=0, ge=0)
    system: Literal[1, 2, 3, 4] = Field(default=1, description="Which of the report's systems the bundle is")
    model: ModelSettings = ModelSettings()
    sound: Annotated[SimulatorSound | FolderSound, Field(discriminator="kind")]
    augmentation: AugmentationSettings = AugmentationSettings()
    generative: GenerativeSettings | None = None
    phase1: Phase1Settings | None = None
    phase2: Phase2Settings | None = None
    fusion: FusionSettings | None = None
    separators: SeparatorSettings | None = None
    prototypes: PrototypeSettings = PrototypeSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    export: ExportSettings

    @model_validator(mode="after")
    def _stages_fit_the_system(self) -> Self:
        if self.fusion is not None and not self.fuses:
            raise problem("belongs to Systems 3 and 4; System-{system} fuses nothing", "fusion", system=self.system)
        if self.system == 3 and self.fusion is None:
            raise problem("is 3, whose attention is trained in [fusion]; that table is missing", "system")
        if self.fusion is not None and self.fusion.deviation and self.system != 3:
            raise problem("belongs to System-3, whose fusion pools statistics", "fusion", "deviation")
        deepest = min(self.model.audiomae.depth, self.model.beats.encoder_layers)
        if self.fusion is not None and (self.fusion.layers or 0) > deepest:
            raise problem("should be at most {deepest}, as many as encoders have", "fusion", "layers", deepest=deepest)
        return self

    @property
    def fuses(self) -> bool:
        """Whether the tokens of two encoders make one embedding."""
        return self.system in (3, 4)

    @property
    def encoders(self) -> tuple[str, ...]:
        """The encoders of the system."""
        return ("audiomae",) if self.system == 1 else ("beats", "audiomae")

    @property
    def knows_machines(self) -> bool:
        """Whether the bundle gets prototypes; one from the simulator's variety alone serves by enrolment."""
        return isinstance(self.sound, FolderSound) or bool(self.sound.machines)


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
