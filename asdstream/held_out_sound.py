"""Normal sound that is held out for the calibration: from files, embedded hop by hop, into the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ulid import ULID

from asdstream.audio.flac import decode_flac, encode_flac
from asdstream.audio.recording import find_recordings, read_recording, recording_seconds
from asdstream.audio.resampler import resample_clip
from asdstream.audio.source import AudioError
from asdstream.audio.window import SAMPLE_RATE
from asdstream.audio.windower import windows_of
from asdstream.bundle import Bundle
from asdstream.engine.protocol import Engine
from asdstream.engine.separate_as import SeparateAs, ways
from asdstream.enrolment import MAX_RECORDING_S, maker_of, refuse_silence
from asdstream.scoring.reference import LABEL_PREFIX, Reference
from asdstream.store.references import NewReference, Vectors
from asdstream.store.store import Store

MAX_HELD_OUT_S = 6 * 3600.0
"""Of one recording; its windows would fill the store with what six hours say as well."""
MAX_KEPT_S = 24 * 3600.0
"""Of one machine, the oldest going first: what a false alarm in a hundred days asks for, and 3 GB."""
_WINDOWS_AT_ONCE = 64
"""Of which each is copied out of the recording, 41 MB together."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """A recording, or ten minutes of a longer one; its embeddings by way (what follows the branches) and branch."""

    file: str
    label: str
    samples: NDArray[np.float32]
    hop_s: float
    vectors: Mapping[str, Vectors]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def reference(self) -> Reference:
        """As a scorer takes it."""
        rows = {f"{branch}{way}": rows for way, found in self.vectors.items() for branch, rows in found.items()}
        return Reference(f"{LABEL_PREFIX}{self.label}", rows, self.hop_s)


def hold_out_files(
    engine: Engine, paths: Sequence[Path], hop_s: float, at_least_s: float, separate_as: SeparateAs | None = None
) -> list[HeldOut]:
    """Embed the recordings at `paths` (files or folders) as a channel of hop `hop_s` would hear them.

    Raises AudioError, naming the recording, for one that cannot be read, is silent, shorter than `at_least_s` or
    longer than six hours.
    """
    found: list[HeldOut] = []
    part = int(MAX_RECORDING_S * SAMPLE_RATE)
    for path in find_recordings(paths):
        # Of what is too long nothing is read.
        seconds = recording_seconds(path)
        if not at_least_s <= seconds <= MAX_HELD_OUT_S:
            raise AudioError(
                f"{path} lasts {seconds:g} s; normal sound for the calibration is {at_least_s:g} s to "
                f"{MAX_HELD_OUT_S / 3600:.0f} hours long"
            )
        samples = resample_clip(read_recording(path))
        refuse_silence(path, samples)
        for first in range(0, len(samples), part):
            piece = samples[first : first + part]
            if first and len(piece) < at_least_s * SAMPLE_RATE:
                break
            vectors = {way: _embedded(engine, piece, hop_s, kind) for way, kind in ways(separate_as).items()}
            found.append(HeldOut(str(path), str(ULID()), piece, hop_s, vectors))
    return found


def keep_held_out(
    store: Store,
    bundle: Bundle,
    machine: str,
    recordings: Sequence[HeldOut],
    actor: str,
    at: float,
    separate_as: SeparateAs | None = None,
) -> int:
    """Hold `recordings`, with their sound, out for the calibration of `machine` from now on; the new revision.

    A day of sound is kept of a machine: what was held out first goes where it would be more.
    """
    (first, first_as), *others = ways(separate_as).items()
    new = [
        NewReference(one.label, Path(one.file).name, encode_flac(one.samples), one.vectors[first], one.hop_s)
        for one in recordings
    ]
    maker = maker_of(bundle, first_as)
    revision = store.references.add(machine, new, bundle=maker, actor=actor, at=at, held_out_at_most_s=MAX_KEPT_S)
    for way, kind in others:
        for one in recordings:
            store.references.put_vectors(one.label, maker_of(bundle, kind), one.vectors[way])
    return revision


def embed_kept(
    store: Store, engine: Engine, bundle: Bundle, machine: str, separate_as: SeparateAs | None = None
) -> None:
    """Embed what is held out for `machine` and what `bundle` has not embedded yet, from the sound kept."""
    entries = [entry for entry in store.references.entries(machine) if entry.held_out_hop_s is not None]
    for kind in ways(separate_as).values():
        known = store.references.vectors(machine, maker_of(bundle, kind))
        for entry in entries:
            if entry.label not in known and entry.held_out_hop_s is not None and entry.audio_bytes:
                samples = decode_flac(store.references.audio(entry.label))
                vectors = _embedded(engine, samples, entry.held_out_hop_s, kind)
                store.references.put_vectors(entry.label, maker_of(bundle, kind), vectors)


def _embedded(engine: Engine, samples: NDArray[np.float32], hop_s: float, separate_as: str | None) -> Vectors:
    windows = windows_of(samples, hop_s)
    parts = [
        engine.embed_samples(windows[first : first + _WINDOWS_AT_ONCE], separate_as)
        for first in range(0, len(windows), _WINDOWS_AT_ONCE)
    ]
    return {branch: np.concatenate([part[branch] for part in parts]) for branch in parts[0]}
