"""What a catalogue holds, in numbers, and whatever is wrong with it."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from asdstream.audio.recording import Recording
from asdstream.audio.source import AudioError
from trainer.catalogue.catalogue import Catalogue
from trainer.catalogue.clip import Clip


@dataclass(frozen=True, slots=True)
class MachineReport:
    """What the catalogue says about one machine. Durations (s) and rates (Hz) come with their number of clips.

    `attributes` counts the training and test clips that have each value; `without_attributes` those that have none.
    `told` is the number of test clips whose condition a separate list told.
    """

    machine: str
    sections: tuple[str, ...]
    clips: dict[str, int]
    attributes: dict[str, dict[str, int]]
    without_attributes: int
    durations: dict[float, int]
    sample_rates: dict[int, int]
    told: int

    def __str__(self) -> str:
        """A paragraph."""
        lines = [self.machine, f"  sections: {', '.join(self.sections)}"]
        lines += [f"  {count} {kind}" for kind, count in self.clips.items()]
        if self.told:
            lines.append(f"  {self.told} of the test clips were told normal or anomalous by a list of what is true")
        for key, values in self.attributes.items():
            lines.append(f"  {key}: " + ", ".join(f"{value} ({count})" for value, count in values.items()))
        if self.without_attributes:
            lines.append(f"  {self.without_attributes} without attributes")
        lengths = ", ".join(f"{count} of {seconds:g} s" for seconds, count in self.durations.items())
        rates = ", ".join(f"{count} at {rate} Hz" for rate, count in self.sample_rates.items())
        lines += [f"  length: {lengths or 'none can be read'}", f"  rate: {rates or 'none can be read'}"]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """One report per machine, the lists of evaluation truth that were read, and a sentence for each problem."""

    machines: tuple[MachineReport, ...]
    truth_files: tuple[Path, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Paragraphs, and a line for each problem."""
        parts = [str(machine) for machine in self.machines]
        if self.truth_files:
            folders = sorted({str(path.parent) for path in self.truth_files})
            parts.append(f"{len(self.truth_files)} lists of what is true in {', '.join(folders)}")
        return "\n".join(parts + [f"problem: {problem}" for problem in self.problems])


def report_on(catalogue: Catalogue) -> CatalogueReport:
    """Open every clip, without decoding it, and sum up."""
    problems = list(catalogue.problems)
    machines = tuple(_machine(catalogue, machine, problems) for machine in catalogue.machines)
    problems += _sections_without_training(catalogue) + _twins(catalogue)
    return CatalogueReport(machines, catalogue.truth_files, tuple(problems))


def _machine(catalogue: Catalogue, machine: str, problems: list[str]) -> MachineReport:
    clips = catalogue.chosen([machine])
    durations: Counter[float] = Counter()
    rates: Counter[int] = Counter()
    values: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        for key, value in clip.attributes:
            values[key][value] += 1
        try:
            recording = Recording(clip.path)
        except AudioError as error:
            problems.append(str(error))
            continue
        recording.close()
        durations[round(recording.frames / recording.sample_rate, 3)] += 1
        rates[recording.sample_rate] += 1
    return MachineReport(
        machine=machine,
        sections=tuple(sorted({clip.section for clip in clips})),
        clips=dict(sorted(Counter(map(_kind, clips)).items())),
        attributes={key: dict(sorted(found.items())) for key, found in sorted(values.items())},
        without_attributes=sum(not clip.attributes for clip in clips if clip.split in {"train", "test"}),
        durations=dict(sorted(durations.items())),
        sample_rates=dict(sorted(rates.items())),
        told=catalogue.told.get(machine, 0),
    )


def _kind(clip: Clip) -> str:
    if clip.split == "clean":
        return "supplemental clean machine sound"
    if clip.split == "noise":
        return "supplemental noise"
    if clip.anomalous is None:
        return f"{clip.split} unknown"
    return f"{clip.split} {clip.domain} {'anomaly' if clip.anomalous else 'normal'}"


def _sections_without_training(catalogue: Catalogue) -> list[str]:
    splits: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for clip in catalogue.clips:
        splits[clip.machine, clip.section].add(clip.split)
    return [
        f"{machine} section {section} has test clips and no training clips, so nothing can be fitted for it"
        for (machine, section), found in sorted(splits.items())
        if "test" in found and "train" not in found
    ]


def _twins(catalogue: Catalogue) -> list[str]:
    """One sentence for every two folders that hold clips of the same name for the same section."""
    seen: dict[tuple[str, str, str], Path] = {}
    folders: Counter[tuple[str, Path, Path]] = Counter()
    for clip in catalogue.clips:
        twin = seen.setdefault((clip.machine, clip.section, clip.file), clip.path)
        if twin != clip.path:
            folders[clip.machine, twin.parent, clip.path.parent] += 1
    return [
        f"{count} clips of {machine} lie in {first} and, called the same, in {second}; evaluate each folder by itself"
        for (machine, first, second), count in folders.items()
    ]
