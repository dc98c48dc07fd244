"""A machine's prototypes as the stage keeps them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from asdstream.bundle import BranchPrototypes
from trainer.embeddings import Vectors
from trainer.products import Product
from trainer.prototypes import Prototypes


def prototype_product(prototypes: Prototypes, target: Sequence[Vectors], facts: Mapping[str, Any]) -> Product:
    """Prototypes by branch, and how many of the target's belong to each of the recordings `target`."""
    tensors = {}
    for branch, found in prototypes.items():
        tensors[f"{branch}/source"] = torch.from_numpy(found.source)
        tensors[f"{branch}/target"] = torch.from_numpy(found.target)
    windows = [len(next(iter(vectors.values()))) for vectors in target]
    return Product(tensors, {"branches": list(prototypes), "target_windows": windows, **facts})


def prototypes_of(product: Product) -> Prototypes:
    """Prototypes by branch."""
    return {
        branch: BranchPrototypes(
            product.tensors[f"{branch}/source"].numpy(), product.tensors[f"{branch}/target"].numpy()
        )
        for branch in product.facts["branches"]
    }


def target_vectors_of(product: Product) -> list[Vectors]:
    """Embeddings of each target recording, which are prototypes as they are."""
    fitted = prototypes_of(product)
    ends = np.cumsum([0, *product.facts["target_windows"]])
    return [{branch: found.target[first:end] for branch, found in fitted.items()} for first, end in pairwise(ends)]
