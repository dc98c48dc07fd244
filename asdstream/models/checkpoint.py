"""Reading weights that others made, without ever running what a file says."""

import argparse
import hashlib
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from asdstream.errors import AsdstreamError

NAMES_SHOWN = 5


class CheckpointError(AsdstreamError):
    """A checkpoint that cannot be used."""


def read_file(path: Path) -> Any:
    """The content of a `.pt`, `.pth` or `.safetensors` file: tensors and plain containers only.

    `argparse.Namespace` is allowed because AudioMAE's training script stored its options as one; it holds attributes
    and runs nothing.
    """
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint {path} does not exist; right would be a local .pt, .pth or .safetensors file"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own sentence would advise to open the file regardless.
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        holds = f"holds more than tensors and plain containers ({foreign[1]})" if foreign else "is not a checkpoint"
        raise CheckpointError(f"checkpoint {path} {holds} and was not opened; right would be a published one") from None
    except Exception as error:
        raise CheckpointError(
            f"checkpoint {path} is damaged or not a checkpoint ({type(error).__name__}); fetch it again"
        ) from None


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint, whether bare or under `model` or `state_dict`."""
    return state_dict_of(read_file(path), path)


def state_dict_of(content: object, path: Path) -> dict[str, Tensor]:
    """The named tensors in what `read_file` returned; `path` is for the error."""
    for key in ("model", "state_dict"):
        inner = content.get(key) if isinstance(content, Mapping) else None
        if isinstance(inner, Mapping):
            content = inner
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(
            f"checkpoint {path} holds no state dict; right would be named tensors, bare or as 'model'"
        )
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"checkpoint {path} holds {name!r}, which is not a named tensor")
    return dict(content)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_DRAWING: tuple[Any, ...] = (Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_)


class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors as they are where a network would draw its initial weights."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWING:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


@contextmanager
def shapes_only() -> Iterator[None]:
    """Networks built within have shapes and no numbers: they wait on the meta device for `load_weights`.

    Initial weights are not even pretended to be drawn. On the meta device that would be the first use of PyTorch's
    compiler, whose import takes two seconds and 90 MB.
    """
    with torch.device("meta"), _NothingDrawn():
        yield


def load_weights(model: nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Give `model` (which may be on the meta device) the tensors of `state`, as float32, without copying them.

    Raises:
        CheckpointError: one sentence that lists what is missing, unexpected and misshapen.
    """
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    misshapen = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    if any(faults.values()):
        said = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"the weights in {source} do not fit {type(model).__name__}: {said}")
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"
