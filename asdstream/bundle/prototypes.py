"""Prototypes of a machine type as tensors, `<branch>.source` (S, D) and `<branch>.target` (T, D)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asdstream.bundle.contents import BranchPrototypes, MachineType
from asdstream.bundle.errors import refuse
from asdstream.bundle.files import read_tensors

MAX_PROTOTYPES = 100_000
"""Per machine type, branch and domain; the method uses 16 and 10."""


def prototype_tensors(machine_type: MachineType) -> dict[str, Tensor]:
    """What is written."""
    tensors: dict[str, Tensor] = {}
    for branch, prototypes in machine_type.prototypes.items():
        tensors[f"{branch}.source"] = torch.from_numpy(np.array(prototypes.source, dtype=np.float32))
        tensors[f"{branch}.target"] = torch.from_numpy(np.array(prototypes.target, dtype=np.float32))
    return tensors


def read_prototypes(path: Path, file: str, sha256: str, sizes: Mapping[str, int]) -> dict[str, BranchPrototypes]:
    """The verified prototypes in `file`, by branch; `sizes` is D by branch, and every branch has some."""
    tensors = read_tensors(path, file, sha256)
    expected = {f"{branch}.{domain}": size for branch, size in sizes.items() for domain in ("source", "target")}
    for key in sorted(expected.keys() ^ tensors.keys()):
        state = "missing" if key in expected else "of no branch of this bundle"
        refuse(path, f"{file}: {key[:80]} is {state}")
    arrays: dict[str, NDArray[np.float32]] = {}
    for key, size in expected.items():
        shape = tuple(tensors[key].shape)
        least = 1 if key.endswith(".source") else 0
        if len(shape) != 2 or shape[1] != size or not least <= shape[0] <= MAX_PROTOTYPES:
            refuse(path, f"{file}: {key} has shape {shape} where (n, {size}) with n from {least} is expected")
        array = tensors[key].float().numpy().copy()
        if shape[0] and float(np.linalg.norm(array, axis=1).min()) < 1e-6:
            refuse(path, f"{file}: {key} holds a prototype of length zero, which has no cosine distance")
        array.setflags(write=False)
        arrays[key] = array
    return {branch: BranchPrototypes(arrays[f"{branch}.source"], arrays[f"{branch}.target"]) for branch in sizes}
