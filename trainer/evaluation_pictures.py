"""What an evaluation looks like: scores by domain, ROC curves, and the embeddings with their prototypes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import roc_curve

from trainer.backends.back_end import one_per_clip
from trainer.catalogue import Domain
from trainer.metrics import MAX_FALSE_POSITIVE_RATE
from trainer.pictures import save_figure
from trainer.randomness import derived_seed
from trainer.results import SectionResult
from trainer.section_scorer import Embedded, SectionScorer

MOST_TRAINING_CLIPS = 300
"""Of a section, in the picture of its embeddings: more of them only hide the test clips."""
_NORMAL, _ANOMALOUS, _TRAINING = "#1f4e79", "#c0504d", "#c8c8c8"


def draw_scores(path: Path, section: SectionResult) -> None:
    """Histograms of the scores of normal and anomalous test clips, one picture per domain, with the threshold."""
    domains = [domain for domain in Domain if (section.domains == domain).any()]
    figure = Figure(figsize=(8, 2.8 * len(domains)), layout="constrained")
    bins = np.histogram_bin_edges(section.scores, 30)
    for axes, domain in zip(figure.subplots(len(domains), 1, sharex=True, squeeze=False)[:, 0], domains, strict=True):
        here = section.domains == domain
        for condition, colour, name in ((False, _NORMAL, "normal"), (True, _ANOMALOUS, "anomalous")):
            chosen = section.scores[here & (section.anomalous == condition)]
            if len(chosen):
                axes.hist(chosen, bins, color=colour, alpha=0.6, label=f"{name} ({len(chosen)})")
        axes.axvline(section.threshold, color="black", linewidth=1, linestyle="--", label="threshold")
        axes.set(ylabel="clips", title=f"{section.machine} section {section.section}, {domain} domain")
        axes.legend()
    axes.set_xlabel("anomaly score")
    save_figure(figure, path)


def draw_roc(path: Path, section: SectionResult) -> None:
    """ROC curves: each domain's normal clips against all anomalies, and all clips; in grey the partial AUC's part."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(0, MAX_FALSE_POSITIVE_RATE, color="#eeeeee")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    figures = section.figures
    known = {} if figures is None else {Domain.SOURCE: figures.source_auc, Domain.TARGET: figures.target_auc}
    for domain, area in known.items():
        chosen = section.anomalous | (section.domains == domain)
        if area is not None:
            false, true, _ = roc_curve(section.anomalous[chosen], section.scores[chosen])
            axes.plot(false, true, label=f"{domain}: AUC {area:.3f}")
    if figures is not None:
        false, true, _ = roc_curve(section.anomalous, section.scores)
        axes.plot(false, true, color="black", linewidth=0.8, label=f"all: pAUC {figures.partial_auc:.3f}")
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.set_title(f"{section.machine} section {section.section}")
    axes.legend(loc="lower right")
    save_figure(figure, path)


def draw_embeddings(path: Path, embedded: Sequence[Embedded], scorer: SectionScorer, branch: str, seed: int) -> None:
    """t-SNE of one embedding per clip, by cosine distance, with the prototypes of `branch` as crosses."""
    train = [pair for pair in embedded if pair[0].split == "train"]
    # Evenly over the names, which follow the attributes; target clips are few and all shown.
    source = [pair for pair in train if pair[0].domain is Domain.SOURCE]
    every = -(-len(source) // MOST_TRAINING_CLIPS)
    shown = source[::every] + [pair for pair in train if pair[0].domain is Domain.TARGET]
    shown += [pair for pair in embedded if pair[0].split == "test"]
    bank = scorer.branches[branch].bank[:MOST_TRAINING_CLIPS]
    points = np.concatenate([one_per_clip(tuple(vectors[branch] for _, vectors in shown)), bank])
    places = flat_map(points, seed)
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axes = figure.subplots()
    clips = [clip for clip, _ in shown]
    for domain, marker in ((Domain.SOURCE, "o"), (Domain.TARGET, "^")):
        for split, condition, colour, name in (
            ("train", False, _TRAINING, "training"),
            ("test", False, _NORMAL, "normal"),
            ("test", True, _ANOMALOUS, "anomalous"),
            ("test", None, "#8064a2", "unknown"),
        ):
            chosen = [
                index
                for index, clip in enumerate(clips)
                if (clip.domain, clip.split, clip.anomalous) == (domain, split, condition)
            ]
            if chosen:
                axes.scatter(
                    places[chosen, 0], places[chosen, 1], s=18, marker=marker, color=colour, label=f"{domain}, {name}"
                )
    prototypes = places[len(clips) :]
    axes.scatter(prototypes[:, 0], prototypes[:, 1], s=70, marker="x", color="black", label="prototypes")
    axes.set(xticks=[], yticks=[], title=f"{clips[0].machine} section {clips[0].section}, branch {branch}")
    axes.legend(fontsize=8)
    save_figure(figure, path)


def flat_map(points: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """t-SNE of unit-length vectors (n, D) in the plane, (n, 2); the same for the same seed."""
    perplexity = min(30.0, max(2.0, (len(points) - 1) / 4))
    # On unit-length vectors the squared Euclidean distance is twice the cosine distance.
    layout = TSNE(perplexity=perplexity, init="pca", random_state=derived_seed(seed, "t-SNE") % 2**32)
    return np.asarray(layout.fit_transform(points.astype(np.float64)))
