"""The prototypes: each machine's normal sound as a few vectors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from asdstream.audio.window import WINDOW_SECONDS
from trainer.embeddings import RecordingEmbedder
from trainer.fingerprint import data_fingerprint
from trainer.products import Product
from trainer.prototypes import fit_prototypes, window_scores
from trainer.randomness import derived_seed
from trainer.sound import MachineSound
from trainer.stages.export import export_bundle, network_products
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.prototype_product import prototype_product
from trainer.stages.run import Run
from trainer.stages.separators import product_for

STAGE = StageName.PROTOTYPES


def parts(run: Run) -> tuple[Part, ...]:
    """One for each machine."""
    return tuple(_part(run, machine) for machine in run.sound.machines)


def _part(run: Run, machine: MachineSound) -> Part:
    settings = run.recipe.prototypes
    product = f"{STAGE}-{machine.machine}"
    target = machine.target[: settings.target]

    def make(_: str) -> Mapping[str, Product]:
        separated = is_separated(run, machine.machine)
        with embedder(run) as embed, run.progress.counting(product, len(machine.source) + len(target)) as counter:
            separate_as = machine.machine if separated else None
            source_vectors = embed.embed(machine.source, settings.hop_seconds, counter.advance, separate_as)
            target_vectors = embed.embed(target, WINDOW_SECONDS, counter.advance, separate_as)
        seed = derived_seed(run.recipe.seed, "centroids", machine.machine)
        fitted = fit_prototypes(source_vectors, target_vectors, settings.source, seed)
        seen = np.concatenate([window_scores(fitted, vectors) for vectors in source_vectors])
        facts = {
            "machine": machine.machine,
            "separated": separated,
            "source_recordings": len(machine.source),
            "target_recordings": len(target),
            "median_score_of_prototype_recordings": float(np.median(seen)),
        }
        return {product: prototype_product(fitted, target_vectors, facts)}

    return Part(
        name=product,
        products=(product,),
        needs=embedding_needs(run, machine.machine),
        depends_on={
            "seed": run.recipe.seed,
            "settings": settings.model_dump(mode="json"),
            "embedding": embedding_depends_on(run, machine.machine),
            "sound": data_fingerprint((*machine.source, *target)),
        },
        make=make,
        trains=False,
    )


def is_separated(run: Run, machine: str) -> bool:
    """Whether a machine's prototypes and calibration are fitted on separated sound."""
    settings = run.recipe.separators
    return settings is not None and settings.separated_prototypes and product_for(run, machine) is not None


def embedding_needs(run: Run, machine: str) -> tuple[str, ...]:
    """The products that a machine's embeddings are made with."""
    separator = product_for(run, machine) if is_separated(run, machine) else None
    return (*network_products(run.recipe, run.products), *(() if separator is None else (separator,)))


def embedding_depends_on(run: Run, machine: str) -> dict[str, object]:
    """What a machine's embeddings depend on besides those products, for JSON."""
    return {
        "system": run.recipe.system,
        "model": run.recipe.model.model_dump(mode="json", exclude={"decoder"}),
        "weights": run.recipe.export.weights,
        "separated": is_separated(run, machine),
    }


@contextmanager
def embedder(run: Run) -> Iterator[RecordingEmbedder]:
    """What embeds as the daemon will: from the weights as the bundle stores them."""
    with TemporaryDirectory() as scratch:
        bundle = export_bundle(Path(scratch) / "bundle", run.recipe, run.products, machine_types={})
        yield RecordingEmbedder(bundle, threads=torch.get_num_threads())
