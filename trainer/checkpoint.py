"""The state of a training run on disk, from which a killed run goes on as if nothing had happened."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from asdstream import atomic
from trainer.errors import TrainerError

SCHEMA = "asd.checkpoint/2"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Everything a run needs to go on after `step` optimiser steps.

    `fingerprint` tells the recipe and the data apart from others. `model` is the part of the state dict that training
    changes: weights of a frozen network are as large as they are easy to load again. `micro_batch` is what the memory
    had room for where the recipe asked for `asked_micro_batch`. Random numbers need no place here: those of a step
    are drawn from the seed and the number of the step alone.
    """

    step: int
    fingerprint: str
    model: dict[str, Any]
    optimiser: dict[str, Any]
    micro_batch: int
    asked_micro_batch: int


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` in one step; holds only tensors, numbers and text, so it loads with weights_only."""
    buffer = io.BytesIO()
    torch.save(
        {"schema": SCHEMA} | {field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)},
        buffer,
    )
    atomic.write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint:
    """Read the checkpoint of the same recipe and data. Raises TrainerError for a broken or foreign one."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainerError(f"the checkpoint {path} cannot be read; delete it to start afresh") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise TrainerError(f"{path} is not a checkpoint of this version ({SCHEMA}); delete it to start afresh")
    if content["fingerprint"] != fingerprint:
        raise TrainerError(
            f"the checkpoint {path} was made with another recipe or other data; choose another folder with --out"
        )
    return Checkpoint(**{field.name: content[field.name] for field in fields(Checkpoint)})
