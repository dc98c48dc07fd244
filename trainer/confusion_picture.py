"""Which classes a network takes for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.pictures import save_figure

MOST_NAMES = 60
"""Classes whose names are still legible."""


def draw_confusion(
    path: Path, wanted: NDArray[np.int64], found: NDArray[np.int64], classes: Sequence[str], what: str
) -> None:
    """Share of each class's clips that were taken for each class, as PNG; `wanted` and `found` (N,) are classes."""
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (wanted, found), 1.0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    size = min(16.0, 4.0 + 0.2 * len(classes))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set(
        xlabel="taken for", ylabel="is", title=f"{what}: {float(np.mean(wanted == found)):.0%} of {len(wanted)} right"
    )
    if len(classes) <= MOST_NAMES:
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=6)
        axes.set_yticks(range(len(classes)), classes, fontsize=6)
    save_figure(figure, path)
