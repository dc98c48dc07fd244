"""References: recordings of normal sound from the place where a machine stands, from files into the store and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from ulid import ULID

from asdstream.audio.flac import decode_flac, encode_flac
from asdstream.audio.quality import QualityMeter
from asdstream.audio.recording import find_recordings, read_recording, recording_seconds
from asdstream.audio.resampler import resample_clip
from asdstream.audio.source import AudioError
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS
from asdstream.audio.windower import windows_of
from asdstream.bundle import Bundle
from asdstream.engine.protocol import SampleEmbedder
from asdstream.engine.separate_as import SeparateAs, ways
from asdstream.scoring.belonging import CLIPPED_SHARE, Candidate, refuse_bad_sound, refuse_strangers
from asdstream.scoring.machine_scorer import MachineScorer
from asdstream.scoring.reference import LABEL_PREFIX, Reference
from asdstream.store.database import StoreError
from asdstream.store.references import NewReference, Vectors
from asdstream.store.store import Store

log = structlog.get_logger()

MAX_RECORDING_S = 600.0
"""A longer one would fill the store with what a few windows say as well."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """What recordings are checked against before they become references: `asdstream.scoring.belonging`."""

    scorer: MachineScorer
    clipped_share: float = CLIPPED_SHARE


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A recording as 16 kHz mono `samples` (m,); `told` is how it is called to people, `name` what is kept of that."""

    told: str
    name: str
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A recording that has become a reference."""

    file: str
    label: str
    windows: int
    seconds: float


def enrol_files(
    store: Store,
    engine: SampleEmbedder,
    bundle: Bundle,
    machine: str,
    paths: Sequence[Path],
    actor: str,
    at: float,
    separate_as: SeparateAs | None = None,
    belonging: Belonging | None = None,
) -> list[Enrolled]:
    """Add the recordings at `paths` (files or folders) to the references of `machine`: all of them, or none.

    As `enrol_sounds`; raises AudioError, naming the recording, for one that cannot be read, too.
    """
    found = find_recordings(paths)
    for path in found:
        # Hours of sound would fill the memory before they are refused.
        _refuse_long(str(path), recording_seconds(path))
    sounds = [Sound(str(path), path.name, resample_clip(read_recording(path))) for path in found]
    return enrol_sounds(store, engine, bundle, machine, sounds, actor, at, separate_as, belonging)


def enrol_sounds(
    store: Store,
    engine: SampleEmbedder,
    bundle: Bundle,
    machine: str,
    sounds: Sequence[Sound],
    actor: str,
    at: float,
    separate_as: SeparateAs | None = None,
    belonging: Belonging | None = None,
) -> list[Enrolled]:
    """Add recordings to the references of `machine`: all of them, or none.

    The sound is kept as it is; for its embeddings it is separated as `separate_as` says (`Engine.embed_samples`), and
    embedded both ways where it says so. Without `belonging` recordings are taken whatever they sound like.

    Raises AudioError, naming the recording, for one that is shorter than a second or longer than ten minutes, and
    ReferenceRefusedError for one that does not belong.
    """
    for sound in sounds:
        seconds = len(sound.samples) / SAMPLE_RATE
        _refuse_long(sound.told, seconds)
        if seconds < 1.0:
            raise AudioError(f"{sound.told} is shorter than a second; a reference is the machine's normal sound")
        if belonging is not None:
            refuse_bad_sound(sound.told, sound.samples, belonging.clipped_share)
    heard_as = ways(separate_as)
    embedded = [
        {way: embed_reference(engine, sound.samples, machine_type) for way, machine_type in heard_as.items()}
        for sound in sounds
    ]
    if belonging is not None:
        candidates = [
            Candidate(
                sound.told, sound.samples, {f"{b}{way}": rows for way, one in by_way.items() for b, rows in one.items()}
            )
            for sound, by_way in zip(sounds, embedded, strict=True)
        ]
        refuse_strangers(candidates, belonging.scorer)
    (first, first_as), *others = heard_as.items()
    labels = [str(ULID()) for _ in sounds]
    new = [
        NewReference(label, sound.name, encode_flac(sound.samples), by_way[first])
        for label, sound, by_way in zip(labels, sounds, embedded, strict=True)
    ]
    store.references.add(machine, new, bundle=maker_of(bundle, first_as), actor=actor, at=at)
    for way, machine_type in others:
        for label, by_way in zip(labels, embedded, strict=True):
            store.references.put_vectors(label, maker_of(bundle, machine_type), by_way[way])
    return [
        Enrolled(sound.told, label, len(next(iter(by_way[first].values()))), round(len(sound.samples) / SAMPLE_RATE, 3))
        for label, sound, by_way in zip(labels, sounds, embedded, strict=True)
    ]


def references_of(
    store: Store, engine: SampleEmbedder, bundle: Bundle, machine: str, separate_as: SeparateAs | None = None
) -> list[Reference]:
    """The references of `machine` as `bundle` embeds them, separated first as `separate_as` says.

    Where it says both ways, each has every branch twice, as the embeddings of windows do. Those that it has not
    embedded so yet are, and are kept. Hours of sound may be held out, too much for a daemon that is to listen: what
    `bundle` has not embedded of it is left out, with a warning, until `asdstream calibrate` embeds it.
    """
    entries = store.references.entries(machine)
    found: dict[str, dict[str, NDArray[np.float32]]] = {entry.label: {} for entry in entries}
    hops = {entry.label: entry.held_out_hop_s for entry in entries}
    left_out: set[str] = set()
    soundless: set[str] = set()
    for suffix, machine_type in ways(separate_as).items():
        maker = maker_of(bundle, machine_type)
        known = store.references.vectors(machine, maker)
        for entry in entries:
            vectors: Vectors | None = known.get(entry.label)
            if vectors is None and not entry.audio_bytes:
                soundless.add(entry.label)
                continue
            if vectors is None and hops[entry.label] is not None:
                left_out.add(entry.label)
                continue
            if vectors is None:
                log.info("reference_embedded_anew", machine=machine, reference=entry.label, bundle=bundle.name)
                samples = decode_flac(store.references.audio(entry.label))
                vectors = embed_reference(engine, samples, machine_type)
                try:
                    store.references.put_vectors(entry.label, maker, vectors)
                except StoreError as error:
                    # It can be scored against all the same; the next start embeds it again.
                    log.warning("reference_vectors_not_kept", reference=entry.label, problem=str(error))
            found[entry.label] |= {f"{branch}{suffix}": rows for branch, rows in vectors.items()}
    if left_out:
        log.warning(
            "held_out_sound_left_out",
            machine=machine,
            recordings=len(left_out),
            problem=f"bundle {bundle.name} has not embedded it yet: asdstream calibrate {machine} --save does",
        )
    if soundless:
        log.warning(
            "references_without_sound_left_out",
            machine=machine,
            recordings=len(soundless),
            problem=f"their sound was given up for lack of room, and bundle {bundle.name} has not embedded them: "
            "enrol them again",
        )
    return [
        Reference(f"{LABEL_PREFIX}{label}", vectors, hops[label])
        for label, vectors in found.items()
        if label not in left_out | soundless
    ]


def _refuse_long(told: str, seconds: float) -> None:
    if seconds > MAX_RECORDING_S:
        raise AudioError(f"{told} lasts {seconds:.0f} s; a reference is at most {MAX_RECORDING_S:.0f} s long")


def refuse_silence(path: Path, samples: NDArray[np.float32]) -> None:
    """Raises AudioError, naming `path`, where 16 kHz mono `samples` (m,) hold no sound of a machine."""
    meter = QualityMeter()
    meter.add(samples[:, None], SAMPLE_RATE)
    if meter.latest is None or meter.latest.silent:
        raise AudioError(f"{path} is silent or shorter than a second; a reference is the machine's normal sound")


def embed_reference(
    engine: SampleEmbedder, samples: NDArray[np.float32], separate_as: str | None = None
) -> dict[str, NDArray[np.float32]]:
    """Embeddings (n, D) by branch of windows that share no sound, of 16 kHz mono `samples` (m,)."""
    return engine.embed_samples(windows_of(samples, WINDOW_SECONDS), separate_as)


def maker_of(bundle: Bundle, separate_as: str | None) -> str:
    """What vectors depend on besides the sound: the bundle, and which of its separators."""
    return bundle.sha256 if separate_as is None else f"{bundle.sha256}+{bundle.separator_of(separate_as)}"
