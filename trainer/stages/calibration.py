"""The calibration: how far normal sound lies from the prototypes that were not made of it."""

from collections.abc import Mapping

import numpy as np
import torch

from trainer.calibrate import calibrate
from trainer.fingerprint import data_fingerprint
from trainer.products import Product
from trainer.prototypes import window_scores
from trainer.sound import MachineSound
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.prototype_product import prototypes_of, target_vectors_of
from trainer.stages.prototypes import (
    embedder,
    embedding_depends_on,
    embedding_needs,
    is_separated,
)
from trainer.stages.run import Run

STAGE = StageName.CALIBRATION


def parts(run: Run) -> tuple[Part, ...]:
    """One for each machine."""
    return tuple(_part(run, machine) for machine in run.sound.machines)


def _part(run: Run, machine: MachineSound) -> Part:
    hop_seconds = run.recipe.calibration.hop_seconds
    product = f"{STAGE}-{machine.machine}"
    prototypes = f"{StageName.PROTOTYPES}-{machine.machine}"

    def make(_: str) -> Mapping[str, Product]:
        separate_as = machine.machine if is_separated(run, machine.machine) else None
        with embedder(run) as embed, run.progress.counting(product, len(machine.held_out)) as counter:
            held_out = embed.embed(machine.held_out, hop_seconds, counter.advance, separate_as)
        known = run.products.read(prototypes)
        fitted = prototypes_of(known)
        tail = calibrate(fitted, held_out, target_vectors_of(known), hop_seconds)
        scores = np.concatenate([window_scores(fitted, vectors) for vectors in held_out])
        facts = {
            "calibration": tail.to_dict(),
            "held_out_recordings": len(machine.held_out),
            "median_score_of_held_out": tail.median,
            "largest_score_of_held_out": tail.largest,
            "independent_windows_of_held_out": round(tail.looks, 1),
        }
        return {product: Product({"scores_of_held_out": torch.from_numpy(scores)}, facts)}

    return Part(
        name=product,
        products=(product,),
        needs=(*embedding_needs(run, machine.machine), prototypes),
        depends_on={
            "hop_seconds": hop_seconds,
            "embedding": embedding_depends_on(run, machine.machine),
            "sound": data_fingerprint(machine.held_out),
        },
        make=make,
        trains=False,
    )
