"""The networks of a recipe."""

from typing import Literal

from pydantic import Field

from asdstream.bundle import MOST_LOUDNESS, Pooling
from asdstream.models.audiomae import AudioMAEConfig
from asdstream.models.beats import BEATsConfig
from trainer.recipe.table import Table


class DecoderSettings(Table):
    """Size of the decoder that reconstructs."""

    embed_dim: int = Field(default=512, ge=16, description="Width of the decoder")
    depth: int = Field(default=16, ge=1, description="Swin blocks, shifted and unshifted in turn")
    heads: int = Field(default=16, ge=1)


class ModelSettings(Table):
    """The encoders, and what makes an embedding of their tokens."""

    size: Literal["tiny", "base"] = "tiny"
    decoder: DecoderSettings = DecoderSettings()
    pooling: Pooling = Field(
        default="mean",
        description="In phases I and II, and for good in Systems 1 and 2: over all patches, or over time with each "
        "band kept",
    )
    loudness: float = Field(
        default=0.0,
        ge=0.0,
        le=MOST_LOUDNESS,
        description="Length of the window's loudness in each mel band, which stands in the bundle beside an embedding "
        "of unit length; 0 leaves it out",
    )
    attention_dim: int = Field(default=128, ge=1, description="Hidden width of the attentive fusion (System-3)")

    @property
    def audiomae(self) -> AudioMAEConfig:
        """AudioMAE of that size."""
        return AudioMAEConfig.tiny() if self.size == "tiny" else AudioMAEConfig.base()

    @property
    def beats(self) -> BEATsConfig:
        """BEATs of that size."""
        return BEATsConfig.tiny() if self.size == "tiny" else BEATsConfig.base()
