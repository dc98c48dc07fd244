"""Pictures of what separators do."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from asdstream.audio.window import SAMPLE_RATE
from trainer.pictures import save_figure
from trainer.separation_measure import SHOWN_SNR_DB, SNRS_DB, Example, SeparationReport


def draw_improvements(path: Path, report: SeparationReport) -> None:
    """A box for every ratio, a panel for every machine and kind of clip, as PNG."""
    figure = Figure(figsize=(3.2 + 2.6 * len(report.groups), 4.2), layout="constrained")
    panels = figure.subplots(1, len(report.groups), sharey=True, squeeze=False)[0]
    for axes, (machine, condition) in zip(panels, report.groups, strict=True):
        gains = [
            [
                one.gain
                for one in report.improvements
                if (one.machine, one.condition, one.snr_db) == (machine, condition, snr_db)
            ]
            for snr_db in SNRS_DB
        ]
        axes.axhline(0.0, color="#808080", linewidth=0.8)
        axes.boxplot(gains, tick_labels=[f"{snr_db:g}" for snr_db in SNRS_DB], medianprops={"color": "#1f4e79"})
        axes.set(title=f"{machine}, {condition}", xlabel="SNR of the mixture (dB)")
    panels[0].set_ylabel("SI-SDR improvement (dB)")
    save_figure(figure, path)


def draw_spectrograms(path: Path, example: Example) -> None:
    """A mixture, its estimate and the recording under each other, as PNG."""
    sounds = torch.from_numpy(np.stack([example.mixture, example.estimate, example.clean]))
    spectra = torch.stft(sounds, 512, 256, window=torch.hann_window(512), return_complex=True).abs()
    levels = 20.0 * torch.log10(spectra.clamp_min(1e-6)).numpy()
    loudest = float(levels.max())
    figure = Figure(figsize=(10, 7), layout="constrained")
    titles = (f"mixture at {SHOWN_SNR_DB:g} dB", "estimate", "recording that the noise was mixed into")
    for axes, level, title in zip(figure.subplots(3, 1, sharex=True), levels, titles, strict=True):
        axes.imshow(
            level,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=loudest - 80.0,
            vmax=loudest,
            extent=(0.0, len(example.clean) / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2_000.0),
        )
        axes.set(title=title, ylabel="kHz")
    axes.set_xlabel("seconds")
    figure.suptitle(f"{example.machine}: {example.clip}")
    save_figure(figure, path)
