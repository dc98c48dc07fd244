"""The stages of a recipe that train something; the defaults are the report's."""

from typing import Literal, Self

from pydantic import Field, model_validator

from asdstream.bundle import Pooling
from asdstream.config_problems import problem
from trainer.recipe.table import Range, Table


class StageSettings(Table):
    """How long, how fast and in what portions. Warm-up and cosine are counted in optimiser steps."""

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
    checkpoint_minutes: float = Field(default=5.0, gt=0.0)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Of the networks' products; bfloat16 on a GPU and float32 elsewhere where auto"
    )

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise problem("should be smaller than epochs ({epochs})", "warmup_epochs", epochs=self.epochs)
        return self


class MaskSettings(Table):
    """What the generative stage hides from the encoder."""

    kind: Literal["random", "time_frequency", "mel_rectangles"] = "random"
    ratio: float = Field(default=0.8, gt=0.0, lt=1.0, description="Share of patches hidden (random)")
    time_ratio: float = Field(default=0.7, ge=0.0, lt=1.0, description="Share of time steps hidden (time_frequency)")
    frequency_ratio: float = Field(default=0.3, ge=0.0, lt=1.0, description="Share of bands hidden (time_frequency)")


class GenerativeSettings(StageSettings):
    """Masked spectrogram reconstruction by AudioMAE."""

    noise: bool = Field(default=True, description="Whether the noise of [augmentation] is mixed in")
    loss: Literal["l1", "mse"] = "l1"
    normalise_patches: bool = Field(default=False, description="Standardise each target patch by itself")
    mask: MaskSettings = MaskSettings()


class ClassificationSettings(StageSettings):
    """Classification of compound attribute labels such as fan_rpm_1800_load_medium."""

    noise: bool = Field(default=True, description="Whether the noise of [augmentation] is mixed in")
    loss: Literal["cross_entropy", "arcface"] = "cross_entropy"
    sub_centres: int = Field(default=16, ge=1, description="Centres of each class (arcface)")
    margin: float = Field(default=0.5, ge=0.0, lt=1.5, description="Angular margin in radians (arcface)")
    scale: float | None = Field(
        default=None, gt=0.0, description="Factor on the cosines (arcface); by the number of classes where left out"
    )
    hears: Literal["all", "machines"] = Field(
        default="all", description="Every recording, or those of the machines that get prototypes"
    )
    crop_seconds: float = Field(default=10.0, ge=1.0, le=10.0, description="Length of what is heard at once")
    patch_drop: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="Share of AudioMAE's patches that are left out at random"
    )
    window_end: bool = Field(
        default=True,
        description="Whether AudioMAE hears short crops with the padding that ends each of the daemon's windows",
    )
    clips_per_epoch: int | None = Field(
        default=None, ge=1, description="Each of a recording drawn at random; otherwise all are heard once"
    )
    balanced: bool = Field(default=False, description="Whether classes are drawn evenly, however many clips they have")
    pseudo_attributes: bool = Field(
        default=False, description="Whether clips of machines without attributes get labels by clustering"
    )


class Phase1Settings(ClassificationSettings):
    """Phase I: classification on all recordings."""

    trains: Literal["encoder", "head"] = Field(default="encoder", description="The whole encoder, or the head alone")
    audiomae_epochs: int | None = Field(
        default=None, ge=1, description="Of AudioMAE, which may need more of them than BEATs; epochs where left out"
    )

    @model_validator(mode="after")
    def _warm_up_fits_audiomae(self) -> Self:
        if self.audiomae_epochs is not None and self.warmup_epochs >= self.audiomae_epochs:
            raise problem("should be more than warmup_epochs ({warmup})", "audiomae_epochs", warmup=self.warmup_epochs)
        return self

    def of(self, encoder: str) -> Self:
        """The settings of one encoder's training."""
        if encoder != "audiomae" or self.audiomae_epochs is None:
            return self
        return self.model_copy(update={"epochs": self.audiomae_epochs})


class Phase2Settings(ClassificationSettings):
    """Phase II: classification on the machines that get prototypes, by LoRA on queries and keys."""

    epochs: int = Field(default=10, ge=1)
    warmup_epochs: int = Field(default=2, ge=0)
    learning_rate: float = Field(default=1e-5, gt=0.0)
    noise: bool = Field(default=False, description="Whether the noise of [augmentation] is mixed in")
    hears: Literal["all", "machines"] = Field(
        default="machines", description="Every recording, or those of the machines that get prototypes"
    )
    rank: int = Field(default=8, ge=1, description="Rank of LoRA's step")


class FusionSettings(Phase2Settings):
    """Both encoders, by LoRA, and the fusion of their tokens, trained end to end (Systems 3 and 4)."""

    rank: int = Field(default=64, ge=1, description="Rank of LoRA's step")
    layers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Layers kept of each encoder, from the first; those behind served the phases before",
    )
    pooling: Pooling = Field(default="mean", description="Over all patches, or over time with each band kept")
    deviation: bool = Field(
        default=False, description="Whether the tokens' weighted deviation stands beside their mean (System-3)"
    )
    audiomae_spread: float | None = Field(
        default=None,
        gt=0.0,
        le=100.0,
        description="How far AudioMAE's embeddings lie apart over the recordings as fusion begins, as a multiple of "
        "BEATs'; as they came where left out",
    )
    brought_share: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Of the encoders' weights in the end, how much stays as it was brought along; the rest is learnt",
    )


class SeparatorSettings(StageSettings):
    """TF-GridNets that tell a machine's sound from the noise around it."""

    size: Literal["tiny", "base"] = "tiny"
    serves: Literal["machine_type", "all"] = Field(
        default="machine_type", description="One separator for each machine type with clean sound, or one for all"
    )
    seconds: float = Field(default=3.0, ge=1.0, le=10.0, description="Length of a training mixture")
    snr_db: Range = (-5.0, 10.0)
    identities: int = Field(default=8, ge=1, description="Simulated machines of each type, where none is recorded")
    recordings: int = Field(default=6, ge=1, description="Simulated clean recordings of each of them")
    noises: int = Field(default=300, ge=1, description="Simulated recordings of noise")
    separated_prototypes: bool = Field(
        default=True,
        description="Whether prototypes and calibration of types with a separator are fitted on separated sound",
    )
