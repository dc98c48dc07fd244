"""What lies in a folder of DCASE Task 2 recordings, or of plain normal and abnormal ones."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainer.catalogue.attributes import read_attributes
from trainer.catalogue.clip import CONDITIONS, Attributes, Clip, Domain, Split
from trainer.catalogue.names import read_name, read_supplemental_name
from trainer.catalogue.truth import Truth
from trainer.errors import DataError

SUFFIXES = (".wav", ".flac")

_NAMED = "named as in DCASE Task 2 (section_00_source_train_normal_0001...)"
_SUPPLEMENTAL = "supplemental"
_FOLDERS: Mapping[str, Split] = {"train": "train", "test": "test", "source_test": "test", "target_test": "test"}
"""Folders of a machine; the test clips of 2021 lie apart by domain."""
_PLAIN_SECTION = re.compile(r"id_(\d+)")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every clip found under `root`, in the order of their paths, and one sentence for everything that is wrong.

    `truth_files` are the lists that evaluation truth was read from, `told` the test clips of each machine that they
    decided.
    """

    root: Path
    clips: tuple[Clip, ...]
    problems: tuple[str, ...]
    truth_files: tuple[Path, ...] = ()
    told: Mapping[str, int] = field(default_factory=dict)

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines found, sorted."""
        return tuple(sorted({clip.machine for clip in self.clips}))

    def chosen(self, machines: Sequence[str] | None = None, split: Split | None = None) -> tuple[Clip, ...]:
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


def read_catalogue(root: Path, fold: int = 1, truth: Path | None = None) -> Catalogue:
    """List every clip of every `<machine>/{train,test,supplemental}` and `<machine>/{normal,abnormal}` folder.

    They may lie at `root` or anywhere below it. What names of test clips leave open is taken from the lists of the
    official evaluators, which are looked for in the same places and under `truth`.

    Normal clips of a plain folder serve by halves: in fold 1 those at odd places of the sorted names (the first, the
    third) are for training and the others for the test, in fold 2 the other way round. `<machine>/id_NN/normal` is
    section NN of the machine.

    Raises DataError where `root` or `truth` is no folder, `truth` holds no list or `root` no recordings; anything
    wrong with single files is a sentence in `problems`.
    """
    if not root.is_dir():
        raise DataError(f"there is no data folder {root}; it should hold <machine>/train/*.wav (or .flac)")
    machine_dirs, plain_dirs, lists = _survey(root)
    clips: list[Clip] = []
    problems: list[str] = []
    for machine_dir in machine_dirs:
        clips += _clips_of_machine(machine_dir, problems)
    for machine_dir in plain_dirs:
        clips += _plain_clips(machine_dir, fold)
    if not clips:
        raise DataError(
            f"no recordings were found under {root}; it should hold <machine>/train/*.wav (or .flac), or "
            "<machine>/normal/*.wav"
        )
    known = Truth([*lists, *(_truth_lists(truth) if truth else ())], problems)
    if truth and not any(path.is_relative_to(truth) for path in known.files):
        raise DataError(f"no list of what is true was found under {truth}; ground_truth_*.csv is looked for")
    final = tuple(map(known.tell, clips))
    told = Counter(
        after.machine
        for before, after in zip(clips, final, strict=True)
        if before.anomalous is None and after.anomalous is not None
    )
    for machine, count in sorted(told.items()):
        left = sum(clip.machine == machine and clip.split == "test" and clip.anomalous is None for clip in final)
        if left:
            problems.append(f"of the test clips of {machine} {count} are in a list of what is true and {left} are not")
    return Catalogue(root, final, tuple(problems), known.files, dict(told))


def _survey(root: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Folders that may be machines, of either kind, and every CSV file; sorted."""
    machine_dirs: set[Path] = set()
    plain_dirs: set[Path] = set()
    lists: list[Path] = []
    for name, _, files in os.walk(root):
        folder = Path(name)
        lists += [folder / file for file in files if file.lower().endswith(".csv")]
        if folder.name in _FOLDERS or folder.name == _SUPPLEMENTAL:
            machine_dirs.add(folder.parent)
        elif folder.name == "normal":
            plain_dirs.add(folder.parent)
    return sorted(machine_dirs), sorted(plain_dirs), sorted(lists)


def _truth_lists(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} of lists that say what is true")
    return sorted(folder.rglob("*.csv"))


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def _clips_of_machine(machine_dir: Path, problems: list[str]) -> list[Clip]:
    attributes = read_attributes(machine_dir, problems)
    parsed: dict[Path, Clip | None] = {}
    for folder, split in _FOLDERS.items():
        for path in _recordings(machine_dir / folder):
            parsed[path] = _named_clip(path, machine_dir.name, split, attributes.get(path.stem))
    strangers = [path for path, clip in parsed.items() if clip is None]
    # A folder further down may be called train as well, so a machine is known by its recordings, not by the name.
    if strangers and len(strangers) == len(parsed):
        problems.append(f"none of the {len(parsed)} recordings in {machine_dir} is {_NAMED}; it is no machine")
        return []
    problems += [f"{path} is not {_NAMED}" for path in strangers]
    found = [clip for clip in parsed.values() if clip is not None]
    for path in _recordings(machine_dir / _SUPPLEMENTAL):
        supplemental = _supplemental_clip(path, machine_dir.name, attributes.get(path.stem))
        if supplemental is None:
            problems.append(f"{path} does not tell by _machine_ or _noise_ in its name what it holds")
        else:
            found.append(supplemental)
    return found


def _named_clip(path: Path, machine: str, split: Split, attributes: Attributes | None) -> Clip | None:
    name = read_name(path.stem)
    if name is None:
        return None
    return Clip(
        path=path,
        machine=machine,
        section=name.section,
        split=split,
        domain=name.domain or Domain.SOURCE,
        # Training clips are normal by definition of the task, whatever their names say or leave out.
        anomalous=False if name.anomalous is None and split == "train" else name.anomalous,
        attributes=name.attributes if attributes is None else attributes,
    )


def _supplemental_clip(path: Path, machine: str, attributes: Attributes | None) -> Clip | None:
    told = read_supplemental_name(path.stem)
    if told is None:
        return None
    section, split = told
    return Clip(path, machine, section, split, Domain.SOURCE, False, attributes or ())


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
