"""What lies in a folder of DCASE Task 2 recordings, or of plain normal and abnormal ones, and what is wrong with it."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import soundfile

from trainer.errors import DataError

SUFFIXES = (".wav", ".flac")
SPLITS = ("train", "test")
CONDITIONS = {"normal": False, "abnormal": True}
"""Folders of a plain data set such as MIMII's, and whether what lies in them is anomalous."""


class Domain(StrEnum):
    """Where a recording was made: where the machine was first known, or where it stands now."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of a data set. `anomalous` is None where the name does not tell (evaluation sets)."""

    path: Path
    machine: str
    section: str
    split: str
    domain: Domain
    anomalous: bool | None
    attributes: tuple[tuple[str, str], ...]

    @property
    def file(self) -> str:
        """What result files call it: its file name, after its folder where that tells normal from abnormal clips."""
        plain = self.path.parent.name in CONDITIONS
        return f"{self.path.parent.name}/{self.path.name}" if plain else self.path.name


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every clip found under `root`, in the order of their paths, and one sentence for everything that is wrong."""

    root: Path
    clips: tuple[Clip, ...]
    problems: tuple[str, ...]

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines found, sorted."""
        return tuple(sorted({clip.machine for clip in self.clips}))

    def chosen(self, machines: Sequence[str] | None = None, split: str | None = None) -> tuple[Clip, ...]:
        """Clips of `machines` and `split`, all where None. Raises DataError for a machine that is not here."""
        for machine in machines or ():
            if machine not in self.machines:
                raise DataError(
                    f"there is no machine {machine!r} under {self.root}; there are {', '.join(self.machines)}"
                )
        return tuple(
            clip
            for clip in self.clips
            if (not machines or clip.machine in machines) and (split is None or clip.split == split)
        )


# section_00_source_train_normal_0001_car_B1.wav (2021-2025), section_00_0001.wav and section_00_test_0001.wav
# (evaluation sets), normal_id_01_00000012.wav and id_01_00000012.wav (2020).
_NAMES = (
    re.compile(
        r"section_(?P<section>\d+)_(?P<domain>source|target)_(?:train|test)_(?P<condition>normal|anomaly)_\d+"
        r"(?:_(?P<attributes>.+))?"
    ),
    re.compile(r"section_(?P<section>\d+)_(?:test_)?\d+"),
    re.compile(r"(?:(?P<condition>normal|anomaly)_)?id_(?P<section>\d+)_\d+"),
)


_NAMED = "named as in DCASE Task 2 (section_00_source_train_normal_0001...)"
_PLAIN_SECTION = re.compile(r"id_(\d+)")


def read_catalogue(root: Path, fold: int = 1) -> Catalogue:
    """List every clip of every `<machine>/{train,test}` and `<machine>/{normal,abnormal}` folder at or below `root`.

    Normal clips of a plain folder serve by halves: in fold 1 those at odd places of the sorted names (the first, the
    third) are for training and the others for the test, in fold 2 the other way round. `<machine>/id_NN/normal` is
    section NN of the machine.

    Raises DataError where `root` is no folder or holds no such folder with recordings; anything wrong with single
    files is a sentence in `problems`.
    """
    if not root.is_dir():
        raise DataError(f"there is no data folder {root}; it should hold <machine>/train/*.wav (or .flac)")
    # A folder further down may be called train as well, so a machine is known by its recordings, not by the name.
    clips: list[Clip] = []
    problems: list[str] = []
    for machine_dir in sorted({path.parent for split in SPLITS for path in _folders_named(root, split)}):
        attributes = _read_attributes(machine_dir, problems)
        parsed = {
            path: _parse(path, machine_dir.name, split, attributes.get(path.stem))
            for split in SPLITS
            for path in _recordings(machine_dir / split)
        }
        clips += [clip for clip in parsed.values() if clip is not None]
        strangers = [path for path, clip in parsed.items() if clip is None]
        if strangers and len(strangers) == len(parsed):
            problems.append(f"none of the {len(parsed)} recordings in {machine_dir} is {_NAMED}; it is no machine")
        else:
            problems += [f"{path} is not {_NAMED}" for path in strangers]
    for machine_dir in sorted({path.parent for path in _folders_named(root, "normal")}):
        clips += _plain_clips(machine_dir, fold)
    if not clips:
        raise DataError(
            f"no recordings were found under {root}; it should hold <machine>/train/*.wav (or .flac), or "
            "<machine>/normal/*.wav"
        )
    return Catalogue(root, tuple(clips), tuple(problems))


def _folders_named(root: Path, name: str) -> list[Path]:
    found = [path for path in root.rglob(name) if path.is_dir()]
    return [root, *found] if root.name == name else found


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def _plain_clips(machine_dir: Path, fold: int) -> list[Clip]:
    numbered = _PLAIN_SECTION.fullmatch(machine_dir.name)
    machine = machine_dir.parent.name if numbered else machine_dir.name
    section = numbered[1] if numbered else "00"
    clips = []
    for condition, anomalous in CONDITIONS.items():
        for place, path in enumerate(_recordings(machine_dir / condition)):
            trains = not anomalous and place % 2 == fold - 1
            clips.append(Clip(path, machine, section, "train" if trains else "test", Domain.SOURCE, anomalous, ()))
    return clips


def _parse(path: Path, machine: str, split: str, attributes: tuple[tuple[str, str], ...] | None) -> Clip | None:
    for pattern in _NAMES:
        match = pattern.fullmatch(path.stem)
        if match is None:
            continue
        parts = match.groupdict()
        condition = parts.get("condition")
        if attributes is None:
            attributes = _attributes_of_name(parts.get("attributes"))
        return Clip(
            path=path,
            machine=machine,
            section=parts["section"],
            split=split,
            domain=Domain(parts.get("domain") or Domain.SOURCE),
            # Training clips are normal by definition of the task, whatever their names say or leave out.
            anomalous=condition == "anomaly" if condition else (False if split == "train" else None),
            attributes=attributes,
        )
    return None


def _attributes_of_name(text: str | None) -> tuple[tuple[str, str], ...]:
    """Names list parameter and value in turn (`car_B1_spd_31V`); hidden ones read `noAttribute`."""
    if not text or text == "noAttribute":
        return ()
    words = text.split("_")
    return tuple(zip(words[0::2], words[1::2], strict=False))


def _read_attributes(machine_dir: Path, problems: list[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Attributes by file stem from `attributes_*.csv`; rows carry a path with suffix, or a bare stem."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for path in sorted(machine_dir.glob("attributes_*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if (next(rows, None) or [""])[0] != "file_name":
                problems.append(f"{path} does not begin with the column file_name, so its attributes were not read")
                continue
            for row in rows:
                if not row:
                    continue
                name = Path(row[0]).name
                stem = name.rsplit(".", 1)[0] if name.lower().endswith(SUFFIXES) else name
                pairs = zip(row[1::2], row[2::2], strict=False)
                found[stem] = tuple((key, value) for key, value in pairs if key and value and value != "noAttribute")
    return found


@dataclass(frozen=True, slots=True)
class MachineReport:
    """What the catalogue says about one machine. Durations (s) and rates (Hz) come with their number of clips."""

    machine: str
    sections: tuple[str, ...]
    clips: dict[str, int]
    attributes: dict[str, tuple[str, ...]]
    durations: dict[float, int]
    sample_rates: dict[int, int]


def machine_reports(catalogue: Catalogue) -> tuple[list[MachineReport], list[str]]:
    """Open every clip's header; returns one report per machine and a sentence for each file that cannot be used."""
    problems = list(catalogue.problems)
    reports = []
    for machine in catalogue.machines:
        clips = catalogue.chosen([machine])
        durations: Counter[float] = Counter()
        rates: Counter[int] = Counter()
        counts: Counter[str] = Counter()
        values: dict[str, set[str]] = {}
        for clip in clips:
            condition = {True: "anomaly", False: "normal", None: "unknown"}[clip.anomalous]
            counts[f"{clip.split} {clip.domain} {condition}"] += 1
            for key, value in clip.attributes:
                values.setdefault(key, set()).add(value)
            try:
                info = soundfile.info(str(clip.path))
            except (soundfile.LibsndfileError, OSError) as error:
                problems.append(f"{clip.path} cannot be read as a recording: {error}")
                continue
            if info.frames == 0:
                problems.append(f"{clip.path} holds no sound")
                continue
            durations[round(info.frames / info.samplerate, 3)] += 1
            rates[info.samplerate] += 1
        reports.append(
            MachineReport(
                machine=machine,
                sections=tuple(sorted({clip.section for clip in clips})),
                clips=dict(sorted(counts.items())),
                attributes={key: tuple(sorted(found)) for key, found in sorted(values.items())},
                durations=dict(sorted(durations.items())),
                sample_rates=dict(sorted(rates.items())),
            )
        )
    return reports, problems
