"""What the trainer hands over: one folder holding encoders, prototypes and calibration, checked whole before use.

    bundle.json                               manifest, schema `asd.bundle/1`
    weights/<encoder>.safetensors             one file per encoder
    weights/<encoder>-decoder.safetensors     of an AudioMAE, to draw what it was not shown
    weights/fusion-<branch>.safetensors       of a branch that is fused attentively
    weights/separator[-<type>].safetensors    separators: for every machine type, or for one
    weights/prototypes-<type>.safetensors     one file per machine type

A bundle may come from anywhere, so nothing in it is believed: no pickle, no path that leaves the folder, no file that
the manifest does not list, no tensor that the configured network does not have.
"""

from asdstream.bundle.contents import (
    ANY_TYPE,
    MOST_LOUDNESS,
    Branch,
    BranchPrototypes,
    BundleContents,
    DecoderContents,
    EncoderContents,
    FusedBranch,
    Fusion,
    FusionContents,
    MachineType,
    Pooling,
    SeparatorContents,
)
from asdstream.bundle.errors import BundleError
from asdstream.bundle.files import MANIFEST
from asdstream.bundle.loaded import Bundle
from asdstream.bundle.loading import BUILTIN, load, resolve, verify
from asdstream.bundle.manifest import SAMPLE_RATE, SCHEMA, WINDOW_SECONDS
from asdstream.bundle.saving import save

__all__ = [
    "ANY_TYPE",
    "BUILTIN",
    "MANIFEST",
    "MOST_LOUDNESS",
    "SAMPLE_RATE",
    "SCHEMA",
    "WINDOW_SECONDS",
    "Branch",
    "BranchPrototypes",
    "Bundle",
    "BundleContents",
    "BundleError",
    "DecoderContents",
    "EncoderContents",
    "FusedBranch",
    "Fusion",
    "FusionContents",
    "MachineType",
    "Pooling",
    "SeparatorContents",
    "load",
    "resolve",
    "save",
    "verify",
]
