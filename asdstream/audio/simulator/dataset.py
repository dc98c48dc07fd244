"""Simulated recordings on disk, laid out like a DCASE Task 2 development set."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from asdstream.atomic import replaced_directory
from asdstream.audio.simulator.fault import Fault
from asdstream.audio.simulator.machine import MachineSpec, attributes, faults_of
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.simulator import Simulator
from asdstream.audio.source import AudioError

Domain = Literal["source", "target"]
Split = Literal["train", "test"]
Label = Literal["normal", "anomaly"]


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """How many clips of each kind; the defaults are those of a DCASE development set."""

    source_train: int = 990
    target_train: int = 10
    test: int = 50
    """For each domain, as many normal as anomalous."""


DCASE_COUNTS = ClipCounts()


@dataclass(frozen=True, slots=True)
class _Clip:
    split: Split
    domain: Domain
    label: Label
    number: int
    spec: MachineSpec

    def stem(self) -> str:
        said = "_".join(f"{name}_{value}" for name, value in attributes(self.spec).items())
        return f"section_00_{self.domain}_{self.split}_{self.label}_{self.number:04d}_{said}"


def _clips(source: Sequence[MachineSpec], target: Sequence[MachineSpec], counts: ClipCounts) -> Iterator[_Clip]:
    of: tuple[tuple[Split, Domain, Label, int], ...] = (
        ("train", "source", "normal", counts.source_train),
        ("train", "target", "normal", counts.target_train),
        ("test", "source", "normal", counts.test),
        ("test", "source", "anomaly", counts.test),
        ("test", "target", "normal", counts.test),
        ("test", "target", "anomaly", counts.test),
    )
    for split, domain, label, count in of:
        specs = source if domain == "source" else target
        for number in range(count):
            yield _Clip(split, domain, label, number, specs[number % len(specs)])


def write_dcase(
    root: Path,
    source: Sequence[MachineSpec],
    target: Sequence[MachineSpec],
    *,
    counts: ClipCounts = DCASE_COUNTS,
    seconds: float = 10.0,
    seed: int = 0,
    audio_format: Literal["wav", "flac"] = "wav",
    faults: Sequence[str] | None = None,
    severity: tuple[float, float] = (0.4, 1.0),
) -> Path:
    """Write `root`/<machine type>/{train,test}/*.wav (16 bit) and attributes_00.csv; returns that folder.

    Clips take the specs of their domain in turn, and anomalies the `faults` (all that the type can have) in turn, with
    a severity drawn between the two. Everything is drawn from `seed`. The folder appears whole, in place of one of
    that name. Raises AudioError where the specs are none or of several machine types.
    """
    types = {spec.machine_type for spec in (*source, *target)}
    if len(types) != 1 or not source or not target:
        raise AudioError(
            f"a DCASE folder was asked for with {len(source)} source and {len(target)} target machines of the types "
            f"{', '.join(sorted(types)) or 'none'}; it should have at least one of each, all of one type"
        )
    (machine_type,) = types
    kinds = faults_of(machine_type) if faults is None else tuple(faults)
    folder = root / machine_type
    with replaced_directory(folder) as building:
        for split in ("train", "test"):
            (building / split).mkdir()
        rows = []
        for clip in _clips(source, target, counts):
            rng = generator("clip", seed, clip.domain, clip.split, clip.label, clip.number)
            fault = None
            if clip.label == "anomaly":
                fault = Fault(kinds[clip.number % len(kinds)], float(rng.uniform(*severity)))
            sound = Simulator(clip.spec, int(rng.integers(1 << 62))).render(seconds, fault)
            name = f"{clip.stem()}.{audio_format}"
            encoded = io.BytesIO()
            samples = np.round(sound * 32_767.0).astype(np.int16)
            soundfile.write(encoded, samples, 16_000, format=audio_format.upper(), subtype="PCM_16")
            (building / clip.split / name).write_bytes(encoded.getvalue())
            said = [text for pair in attributes(clip.spec).items() for text in pair]
            rows.append([f"{machine_type}/{clip.split}/{name}", *said])
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        pairs = (len(rows[0]) - 1) // 2 if rows else 0
        writer.writerow(["file_name", *(f"d{n}{column}" for n in range(1, pairs + 1) for column in "pv")])
        writer.writerows(rows)
        (building / "attributes_00.csv").write_text(table.getvalue(), encoding="utf-8")
    return folder
