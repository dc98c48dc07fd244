"""What cannot work is said before the training, not after hours of it."""

import re

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.bundle.files import NAME
from asdstream.scoring.calibration import MIN_LOOKS, independent_looks
from trainer.errors import DataError, TrainerError
from trainer.stages.encoders import start_product, trained_in
from trainer.stages.labels import check_labels
from trainer.stages.order import StageName
from trainer.stages.run import Run
from trainer.stages.separators import pair_sounds


def check_feasibility(run: Run) -> None:
    """Raise TrainerError or DataError where a later stage would fail for want of sound, weights or labels."""
    recipe = run.recipe
    for machine in run.sound.machines:
        if not re.fullmatch(NAME, machine.machine):
            raise DataError(
                f"{machine.machine!r} cannot name a machine type; rename its folder to letters, digits, '_', '.', '-'"
            )
    _check_held_out(run)
    for name in recipe.encoders:
        given = run.brought.bundle or getattr(run.brought, name) or run.products.has(start_product(name))
        if not given and set(trained_in(recipe, name)) <= {StageName.PHASE2, StageName.FUSION}:
            raise TrainerError(
                f"the recipe {recipe.name} would leave the encoder {name} untrained; give weights with --{name} or "
                "--start, or let phase1 train it"
            )
        if not given and recipe.fusion is not None and recipe.fusion.brought_share:
            raise TrainerError(
                f"[fusion] of the recipe {recipe.name} keeps a share of weights that were brought along, and there are "
                f"none of {name}; give some with --{name} or --start, or leave out brought_share"
            )
    for stage in (StageName.PHASE1, StageName.PHASE2, StageName.FUSION):
        settings = getattr(recipe, stage)
        if settings is not None:
            check_labels(run.sound, settings, stage)
    run.check_noise()
    if recipe.separators is not None:
        pair_sounds(run, recipe.separators)


def _check_held_out(run: Run) -> None:
    hop = run.recipe.calibration.hop_seconds
    for machine in run.sound.machines:
        windows = [1 + int(max(0.0, r.seconds - WINDOW_SECONDS) // hop) for r in machine.held_out]
        looks = sum(independent_looks(count, hop) for count in windows)
        looks += min(len(machine.target), run.recipe.prototypes.target)
        if looks < MIN_LOOKS:
            raise TrainerError(
                f"{looks * WINDOW_SECONDS:.0f} s of {machine.machine} are held out for the calibration, which "
                f"needs {MIN_LOOKS * WINDOW_SECONDS:.0f} s; hold out more (held_out in the recipe)"
            )
