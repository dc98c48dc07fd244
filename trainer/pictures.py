"""What a run looks like: the loss over its steps, and what the network draws where it cannot see."""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from asdstream import atomic
from asdstream.models.masked_audiomae import Reconstruction
from trainer.metrics_log import MetricsLog


def draw_losses(path: Path, log: MetricsLog, stage: str) -> None:
    """The loss of every step, its running mean, and the learning rate, as PNG."""
    lines = [line for line in log.read(stage) if "loss" in line]
    steps = np.array([float(line["step"] or 0) for line in lines])
    losses = np.array([float(line["loss"] or 0) for line in lines])
    rates = np.array([float(line["learning_rate"] or 0) for line in lines])
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, losses, color="#b0c4de", linewidth=0.6, label="step")
    width = max(1, len(losses) // 50)
    if len(losses) >= width:
        mean = np.convolve(losses, np.ones(width) / width, mode="valid")
        axes.plot(steps[width - 1 :], mean, color="#1f4e79", linewidth=1.6, label=f"mean of {width}")
    axes.set(xlabel="optimiser step", ylabel="loss", title=f"{stage} stage")
    axes.legend(loc="upper right")
    right = axes.twinx()
    right.plot(steps, rates, color="#c0504d", linewidth=0.8, linestyle="--")
    right.set_ylabel("learning rate (dashed)")
    save_figure(figure, path)


def draw_reconstruction(path: Path, reconstruction: Reconstruction, times: int, bands: int, patch: int) -> None:
    """One spectrogram as it was, as the encoder saw it, and as the decoder drew it, as PNG."""

    def spectrogram(patches: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        grid = patches[0].detach().float().cpu().reshape(times, bands, patch, patch)
        return np.asarray(grid.permute(0, 2, 1, 3).reshape(times * patch, bands * patch).numpy())

    was = spectrogram(reconstruction.target)
    hidden = reconstruction.mask.cpu()[:, :, None].expand(-1, -1, patch * patch)
    seen = np.ma.masked_where(spectrogram(hidden) > 0, was)
    drawn = np.where(spectrogram(hidden) > 0, spectrogram(reconstruction.pred), was)
    figure = Figure(figsize=(10, 7), layout="constrained")
    colours = mpl.colormaps["magma"].with_extremes(bad="#808080")
    for axes, picture, title in zip(
        figure.subplots(3, 1, sharex=True),
        (was, seen, drawn),
        ("as it was", "as it was seen", "as it was drawn"),
        strict=True,
    ):
        axes.imshow(picture.T, origin="lower", aspect="auto", cmap=colours, vmin=was.min(), vmax=was.max())
        axes.set(title=title, ylabel="mel band")
    axes.set_xlabel("frame (10 ms)")
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; needs no screen."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    atomic.write_bytes(path, buffer.getvalue())
