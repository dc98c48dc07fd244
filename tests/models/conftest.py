"""Clips that every network's vectors were computed from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def clips(conformance_dir: Path) -> dict[str, Tensor]:
    """Two synthetic clips, (1, N) float32: "10s" and "3p7s"."""
    inputs = np.load(conformance_dir / "inputs.npz")
    return {
        name: torch.from_numpy(inputs[f"wav_{name}_i16"].astype(np.float32) / 32768)[None] for name in ("10s", "3p7s")
    }
