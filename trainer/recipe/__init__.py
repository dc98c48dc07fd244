"""What a user may set in a recipe: the TOML file that `asdtrain run` turns into a bundle."""

from trainer.recipe.model import DecoderSettings, ModelSettings
from trainer.recipe.recipe import (
    CalibrationSettings,
    ExportSettings,
    PrototypeSettings,
    Recipe,
    parse_recipe,
    read_recipe,
)
from trainer.recipe.sound import (
    AugmentationSettings,
    FolderSound,
    SimulatedMachine,
    SimulatorSound,
    VarietySettings,
)
from trainer.recipe.stages import (
    ClassificationSettings,
    FusionSettings,
    GenerativeSettings,
    MaskSettings,
    Phase1Settings,
    Phase2Settings,
    SeparatorSettings,
    StageSettings,
)

__all__ = [
    "AugmentationSettings",
    "CalibrationSettings",
    "ClassificationSettings",
    "DecoderSettings",
    "ExportSettings",
    "FolderSound",
    "FusionSettings",
    "GenerativeSettings",
    "MaskSettings",
    "ModelSettings",
    "Phase1Settings",
    "Phase2Settings",
    "PrototypeSettings",
    "Recipe",
    "SeparatorSettings",
    "SimulatedMachine",
    "SimulatorSound",
    "StageSettings",
    "VarietySettings",
    "parse_recipe",
    "read_recipe",
]
