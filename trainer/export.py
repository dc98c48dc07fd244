"""Stage (h): the bundle."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from asdstream import __version__
from asdstream import bundle as bundles
from asdstream.models.audiomae import AudioMAE
from trainer.recipe import Recipe

BRANCH = "audiomae"


def export_encoder(path: Path, recipe: Recipe, encoder: AudioMAE) -> bundles.Bundle:
    """Write a bundle that knows no machine yet: what prototypes and calibration are made with."""
    return bundles.save(path, encoder_contents(recipe, encoder), half_precision=recipe.export.weights == "float16")


def export_bundle(
    path: Path, recipe: Recipe, encoder: AudioMAE, machine_types: Mapping[str, bundles.MachineType]
) -> bundles.Bundle:
    """Write the bundle that the daemon loads."""
    contents = replace(encoder_contents(recipe, encoder), machine_types=dict(machine_types))
    return bundles.save(path, contents, half_precision=recipe.export.weights == "float16")


def encoder_contents(recipe: Recipe, encoder: AudioMAE) -> bundles.BundleContents:
    """The encoder (the decoder is left behind) and its only branch."""
    return bundles.BundleContents(
        name=recipe.name,
        trainer_version=__version__,
        licence_notes=recipe.export.licence_notes,
        encoders={
            BRANCH: bundles.EncoderContents("audiomae", encoder.config.to_dict(), encoder.state_dict()),
        },
        branches=(bundles.Branch(BRANCH, BRANCH, "mean"),),
        machine_types={},
    )
