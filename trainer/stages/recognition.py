"""How well a trained network tells its classes apart: what it has learnt, and what it makes of sound held out."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainer.classification import ClassificationObjective
from trainer.confusion_picture import draw_confusion
from trainer.stages.first_windows import answers
from trainer.stages.labels import NONE, Labelled
from trainer.stages.run import Run
from trainer.waveforms import Waveforms

MOST_HEARD = 1000
"""Recordings; an accuracy needs no more."""


def measure_recognition(run: Run, objective: ClassificationObjective, labels: Labelled, step: int) -> dict[str, float]:
    """Accuracies of the first ten seconds of recordings, for the log and the product.

    `held_out` are the recordings that only the calibration hears, as far as they are of a class.
    """
    known = [place for place, label in enumerate(labels.labels) if label != NONE]
    known = known[:: max(1, len(known) // MOST_HEARD)]
    learnt = [labels.recordings[place] for place in known]
    held_out = [
        recording for machine in run.sound.machines for recording in machine.held_out if labels.of(recording) != NONE
    ][:MOST_HEARD]
    wanted = np.array([labels.labels[place] for place in known])
    found = _classes(objective, run.waveforms(learnt), run)
    facts: dict[str, float] = {"classes": len(labels.classes), "accuracy": float(np.mean(found == wanted))}
    if held_out:
        wanted = np.array([labels.of(recording) for recording in held_out])
        found = _classes(objective, run.waveforms(held_out), run)
        facts["held_out_accuracy"] = float(np.mean(found == wanted))
    run.folder.metrics.write(stage=objective.stage, step=step, **facts)
    draw_confusion(
        run.folder.picture(f"confusion-{objective.stage}"),
        wanted,
        found,
        labels.classes,
        "held-out recordings" if held_out else "training recordings",
    )
    return facts


def _classes(objective: ClassificationObjective, waveforms: Waveforms, run: Run) -> NDArray[np.int64]:
    classifier = objective.module

    def logits(waveform: Tensor) -> Tensor:
        found: Tensor = classifier.head.logits(classifier.network(waveform))
        return found

    return np.asarray(answers(logits, waveforms, run.processes.device).argmax(dim=1).numpy())
