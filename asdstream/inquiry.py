"""When an alarm begins: what its sound is compared with, what is said of it, and that a clip of it is kept."""

from collections.abc import Collection
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from asdstream.alarms.event import AlarmState
from asdstream.audio.flac import decode_flac
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES
from asdstream.calm_sound import CalmSound
from asdstream.clips.clip import ClipOrder
from asdstream.clips.clips import Clips
from asdstream.clips.roll import FULL
from asdstream.engine.embedding import Embedding
from asdstream.evidence.error_mapping import ErrorMapping
from asdstream.evidence.evidence import Evidence, NearestNormal
from asdstream.evidence.explanation import NormalSound, explain
from asdstream.mqtt.payloads import EvidencePayload, utc_text
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.reference import LABEL_PREFIX
from asdstream.scoring.scored_window import ScoredWindow
from asdstream.store.references import References

log = structlog.get_logger()


class Inquiry:
    """Asked on the judge's thread, about 20 ms for each alarm that begins; nothing that fails here costs the alarm.

    The sound is compared with the nearest reference, since references are kept as sound. Where only prototypes of a
    bundle are near and none was enrolled, it is compared with what the channel itself heard when it was scored normal.
    With `mapping` the clip has an error map as well, which is made when the clip is written.
    """

    def __init__(
        self,
        channels: Collection[str],
        references: References,
        clips: Clips | None,
        mapping: ErrorMapping | None = None,
    ) -> None:
        self._calm = {channel: CalmSound() for channel in channels}
        self._references = references
        self._clips = clips
        self._mapping = mapping

    def scored(self, embedding: Embedding, window: ScoredWindow) -> None:
        """A window was scored, and no alarm began."""
        self._calm[window.channel].hear(embedding.window, window.calibrated)

    def begins(
        self, embedding: Embedding, window: ScoredWindow, scorer: MachineScorer, state: AlarmState
    ) -> tuple[str | None, Evidence | None]:
        """The alarm `state` has just begun with this window: the name of its clip, and the evidence."""
        try:
            normal = self._normal_sound(embedding, scorer, window.channel)
            evidence = explain(embedding.window.samples, normal, _nearest(window))
            if self._clips is None:
                return None, evidence
            payload = EvidencePayload.of(evidence)
            facts = {
                "alarm_id": state.alarm_id,
                "machine": state.machine,
                "raised_at": utc_text(window.ended_at),
                "score": window.score,
                "threshold": window.threshold,
                "evidence": None if payload is None else payload.model_dump(mode="json"),
            }
            order = ClipOrder(
                state.occurrence,
                embedding.window,
                evidence.sentence,
                None if normal is None else normal.samples,
                None if normal is None else normal.label,
                facts,
                None
                if normal is None or self._mapping is None
                else partial(self._mapping.map, embedding.window.samples, normal.samples),
            )
            return (state.occurrence if self._clips.begin(order) else None), evidence
        except Exception:
            log.exception("alarm_not_explained", alarm_id=state.alarm_id)
            return None, None

    def _normal_sound(self, embedding: Embedding, scorer: MachineScorer, channel: str) -> NormalSound | None:
        label = nearest_reference(embedding, scorer)
        if label is not None:
            return NormalSound(label, _excerpt(self._references.audio(label.removeprefix(LABEL_PREFIX))))
        calm = self._calm[channel].window
        if calm is None:
            return None
        return NormalSound(f"heard/{utc_text(calm.started_at)}", calm.samples.astype(np.float32) / np.float32(FULL))


def nearest_reference(embedding: Embedding, scorer: MachineScorer) -> str | None:
    """The label of the enrolled reference that is nearest to a window, averaged over branches; None without any."""
    distances: dict[str, list[float]] = {}
    for suffix, bank in scorer.banks.items():
        for branch, prototypes in bank.prototypes.items():
            vector = embedding.vectors[f"{branch}{suffix}"]
            cosines = prototypes.vectors @ (vector / np.linalg.norm(vector))
            best: dict[str, float] = {}
            for label, cosine in zip(prototypes.labels, cosines.tolist(), strict=True):
                if label.startswith(LABEL_PREFIX):
                    best[label] = min(best.get(label, 2.0), 1.0 - cosine)
            for label, distance in best.items():
                distances.setdefault(label, []).append(distance)
    return min(distances, key=lambda label: float(np.mean(distances[label])), default=None)


def _nearest(window: ScoredWindow) -> NearestNormal:
    near = min(window.nearest, key=lambda one: one.distance)
    return NearestNormal(
        near.label, "reference" if near.label.startswith(LABEL_PREFIX) else "prototype", round(near.distance, 6)
    )


def _excerpt(flac: bytes) -> NDArray[np.float32]:
    """Ten seconds from the middle of a recording, which may be ten minutes long; all of a shorter one."""
    samples = decode_flac(flac, at_most=WINDOW_SAMPLES)
    return np.pad(samples, (0, max(0, SAMPLE_RATE - len(samples))))
