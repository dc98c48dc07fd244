"""What a bundle is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor

ANY_TYPE = "*"
"""The machine type of a separator that serves all types without one of their own."""


Pooling = Literal["mean", "bands"]
"""Over all patches at once, or over time with each frequency band kept."""
MOST_LOUDNESS = 1000.0
"""Beside loudness that much longer than itself an embedding hardly counts in float32."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One embedding per window: the tokens of `encoder`, pooled over time (`bands`) or over all patches (`mean`).

    Behind it, where `loudness` is not 0, stands how loud the window is in each mel band, brought to that length where
    the embedding has unit length: `asdstream.models.loudness`.
    """

    name: str
    encoder: str
    pooling: Pooling = "mean"
    loudness: float = 0.0

    @property
    def encoders(self) -> tuple[str, ...]:
        """Whose tokens it takes, in order."""
        return (self.encoder,)


Fusion = Literal["attentive", "attentive-statistics", "mean"]
"""How the tokens of two encoders become one embedding."""


@dataclass(frozen=True, slots=True)
class FusedBranch:
    """One embedding per window from the tokens of two `encoders`, a BEATs and then an AudioMAE.

    `attentive` is System-3 of Zhang, Chen and Li, `attentive-statistics` the same with the tokens' deviation beside
    their mean, `mean` their System-4; see `asdstream.models.fusion`. Each of them pools over all patches (`mean`) or
    keeps frequency bands apart (`bands`). `loudness` as of a `Branch`.
    """

    name: str
    encoders: tuple[str, str]
    fusion: Fusion = "attentive"
    pooling: Pooling = "mean"
    loudness: float = 0.0

    @property
    def is_attentive(self) -> bool:
        """Whether it has an attention with weights of its own."""
        return self.fusion != "mean"


@dataclass(frozen=True, slots=True, eq=False)
class BranchPrototypes:
    """Embeddings of normal sound in one branch: `source` (S, D), KMeans centroids, and `target` (T, D), both float32.

    They need not have unit length; T may be 0.
    """

    source: NDArray[np.float32]
    target: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MachineType:
    """What is known of normal sound of one machine type: prototypes by branch, and the fitted calibration, if any.

    `calibration` is what `asdstream.scoring.calibration.Calibration.to_dict` returns. `separated` says whether both
    were fitted on sound that the type's separator had separated; only windows treated alike compare with them.
    """

    prototypes: Mapping[str, BranchPrototypes]
    calibration: Mapping[str, JsonValue] | None
    separated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DecoderContents:
    """What draws a spectrogram again of an AudioMAE's tokens: its configuration and state dict."""

    config: Mapping[str, JsonValue]
    weights: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderContents:
    """A network to be put into a bundle: its kind (`audiomae` or `beats`), configuration and state dict.

    Of an `audiomae` the `decoder` that was trained with just these weights may come along.
    """

    kind: str
    config: Mapping[str, JsonValue]
    weights: Mapping[str, Tensor]
    decoder: DecoderContents | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeparatorContents:
    """A separator to be put into a bundle: its kind (`tfgridnet`), configuration and state dict.

    Of several sources that it estimates, the first is the machine.
    """

    kind: str
    config: Mapping[str, JsonValue]
    weights: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class FusionContents:
    """The attention of an attentively fused branch: the width of its hidden layer and its state dict."""

    attention_dim: int
    weights: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class BundleContents:
    """Everything that `save` writes. `created` is now where it is None.

    `fusions` has one entry for each attentively fused branch, by its name; `separators` are by machine type, or for
    all others under `*`.
    """

    name: str
    trainer_version: str
    licence_notes: tuple[str, ...]
    encoders: Mapping[str, EncoderContents]
    branches: tuple[Branch | FusedBranch, ...]
    machine_types: Mapping[str, MachineType]
    created: datetime | None = None
    fusions: Mapping[str, FusionContents] = field(default_factory=dict)
    separators: Mapping[str, SeparatorContents] = field(default_factory=dict)
