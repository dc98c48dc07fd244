"""What finished stages leave behind, and later ones and the bundle are made of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from asdstream import atomic
from asdstream.models.checkpoint import sha256_of
from trainer.errors import TrainerError

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Tensors, and what else must be known of them: configuration, licence notes, figures."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Products:
    """One safetensors file each in `folder`, named `<stage>-<what>`, in float32.

    A file tells the fingerprint of what it was made from, so that it can be carried from machine to machine alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where a product is kept."""
        return self._folder / f"{name}{SUFFIX}"

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return self.path(name).is_file()

    def names(self, stage: str) -> tuple[str, ...]:
        """The products of a stage that are there."""
        return tuple(sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"{stage}-*{SUFFIX}")))

    def fingerprint(self, name: str) -> str | None:
        """Of what it was made from; None where there is no such product."""
        return self._metadata(name)["fingerprint"] if self.has(name) else None

    def sha256(self, name: str) -> str:
        """Of the file."""
        return sha256_of(self.path(name))

    def facts(self, name: str) -> Mapping[str, Any]:
        """What is known of it. Raises TrainerError as `read` does."""
        facts: dict[str, Any] = json.loads(self._metadata(name)["facts"])
        return facts

    def read(self, name: str) -> Product:
        """The product. Raises TrainerError where it is not there or damaged."""
        facts = self.facts(name)
        try:
            return Product(safetensors.torch.load_file(self.path(name)), facts)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise self._damaged(name) from error

    def write(self, name: str, product: Product, fingerprint: str) -> None:
        """Write it in one step."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Copies, because tensors that share memory cannot be stored.
        tensors = {
            key: tensor.detach().to("cpu", copy=True).contiguous()
            if not tensor.is_floating_point()
            else tensor.detach().to("cpu").float().clone().contiguous()
            for key, tensor in product.tensors.items()
        }
        metadata = {"fingerprint": fingerprint, "facts": json.dumps(dict(product.facts))}
        atomic.write_bytes(self.path(name), safetensors.torch.save(tensors, metadata))

    def keep_only(self, stage: str, names: Iterable[str]) -> None:
        """Remove what else there is of a stage: products of machines that a recipe no longer names."""
        for name in set(self.names(stage)) - set(names):
            self.path(name).unlink()

    def _metadata(self, name: str) -> Mapping[str, str]:
        path = self.path(name)
        if not path.is_file():
            raise TrainerError(f"there is no {path}; the stage {stage_of(name)} makes it")
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata: Mapping[str, str] | None = file.metadata()
        except (safetensors.SafetensorError, OSError) as error:
            raise self._damaged(name) from error
        if metadata is None or not {"fingerprint", "facts"} <= metadata.keys():
            raise self._damaged(name)
        return metadata

    def _damaged(self, name: str) -> TrainerError:
        return TrainerError(
            f"{self.path(name)} is damaged or was not made by this program; "
            f"delete it and repeat the stage {stage_of(name)}"
        )


def stage_of(product: str) -> str:
    """The stage that makes a product."""
    return product.partition("-")[0]
