"""What is measured: a bundle in this machine's engine, hearing one machine type one way."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asdstream.bench.sound import ChannelSound
from asdstream.bundle import Bundle
from asdstream.config import AlarmsSection, EngineSection
from asdstream.engine.batching import batch_sizes
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.reference import LABEL_PREFIX, Reference
from asdstream.wiring import bearable_rate, embedder_of, scorer_of, separation_of

REFERENCES = 10
"""As many as in the paper, where the bundle has nothing to score against."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An engine that is warm and a scorer that is ready, for channels of hop `hop_s`, in batches of `max_batch`."""

    engine: Engine
    scorer: MachineScorer
    separate_as: SeparateAs | None
    hop_s: float
    max_batch: int


def subject_of(
    bundle: Bundle,
    section: EngineSection,
    machine_type: str,
    hop_s: float,
    separate: Literal["auto", "on", "off", "both"] = "auto",
) -> Subject:
    """Make ready what a daemon would: the engine as `section` says, and the scorer of a machine of this type.

    Where the bundle knows nothing to compare such sound with, ten windows of it are enrolled. Raises ConfigError for
    separation without a separator and EngineError for a device that is not there.
    """
    separate_as = separation_of(bundle, machine_type, separate)
    engine = embedder_of(section, bundle)
    scorer = scorer_of(bundle, "bench", machine_type, bearable_rate(AlarmsSection(), hop_s), separate_as=separate_as)
    if not scorer.ready:
        samples = np.stack([window.samples for window in ChannelSound(REFERENCES, hop_s).round(0, 0.0)])
        vectors = engine.embed_samples(samples, separate_as)
        scorer.replace_references(
            [
                Reference(f"{LABEL_PREFIX}{i}", {branch: rows[i : i + 1] for branch, rows in vectors.items()})
                for i in range(REFERENCES)
            ]
        )
    engine.warm_up(batch_sizes(section.max_batch), () if separate_as is None else (separate_as,))
    return Subject(engine, scorer, separate_as, hop_s, section.max_batch)
