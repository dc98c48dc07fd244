"""What became known of evaluation clips later: the lists of the official evaluators.

For 2021 to 2025 these are the folders `ground_truth_data`, `ground_truth_domain` and `ground_truth_attributes` with
`ground_truth_<machine>_section_00_test.csv` in each (of 2021 one for each domain, of 2022 the attributes as
`<machine>/attributes_03.csv`); for 2020 it is `eval_data_list.csv`.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.catalogue.attributes import stem_of
from trainer.catalogue.clip import Attributes, Clip, Domain
from trainer.catalogue.names import ClipName, read_name

_LIST = re.compile(
    r"ground_truth_(?:(?P<kind>data|domain|attributes)_)?(?P<machine>.+?)_section_\d+(?:_(?:source|target))?_test"
)
_FOLDER = re.compile(r"ground_truth_(data|domain|attributes)")
_ATTRIBUTES_OF_2022 = re.compile(r"attributes_\d+")
_LIST_OF_2020 = "eval_data_list"
_DOMAINS = {"0": Domain.SOURCE, "1": Domain.TARGET, "source": Domain.SOURCE, "target": Domain.TARGET}

Rows = list[list[str]]


class _TruthError(Exception):
    """A row that says nothing; its text says what it should hold."""


@dataclass(frozen=True, slots=True)
class _Known:
    anomalous: bool | None = None
    domain: Domain | None = None
    attributes: Attributes = ()


class Truth:
    """What lists say of clips, by machine and file stem."""

    def __init__(self, lists: Sequence[Path], problems: list[str]) -> None:
        """Read the files among `lists` that are such lists; what is wrong with them is added to `problems`."""
        self._known: dict[tuple[str, str], _Known] = {}
        self.files = tuple(path for path in sorted(set(lists)) if _kind_of(path) is not None)
        for path in self.files:
            try:
                rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
                for machine, stem, known in _entries(path, rows):
                    self._learn(machine, stem, known)
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                problems.append(f"{path} cannot be read as a list of what is true: {error}")
            except _TruthError as error:
                problems.append(f"{path} was not read to its end: {error}")

    def tell(self, clip: Clip) -> Clip:
        """`clip` with what its name leaves open filled in; names and attribute lists beside the clip come first."""
        known = self._known.get((clip.machine, clip.path.stem))
        if known is None or clip.split != "test" or clip.anomalous is not None:
            return clip
        return replace(
            clip,
            anomalous=known.anomalous,
            domain=known.domain or clip.domain,
            attributes=clip.attributes or known.attributes,
        )

    def _learn(self, machine: str, stem: str, known: _Known) -> None:
        before = self._known.get((machine, stem), _Known())
        anomalous = before.anomalous if known.anomalous is None else known.anomalous
        if before.anomalous is not None and before.anomalous != anomalous:
            raise _TruthError(f"it contradicts another list about {stem} of {machine}")
        self._known[machine, stem] = _Known(
            anomalous, known.domain or before.domain, known.attributes or before.attributes
        )


def _kind_of(path: Path) -> str | None:
    """`data`, `domain` or `attributes`, `2020`, or None for a file that is no such list."""
    if path.stem == _LIST_OF_2020:
        return "2020"
    folder = _FOLDER.fullmatch(path.parent.name)
    named = _LIST.fullmatch(path.stem)
    if named:
        return named["kind"] or (folder[1] if folder else "data")
    of_machine = _FOLDER.fullmatch(path.parent.parent.name)
    return "attributes" if of_machine and _ATTRIBUTES_OF_2022.fullmatch(path.stem) else None


def _entries(path: Path, rows: Rows) -> Iterator[tuple[str, str, _Known]]:
    kind = _kind_of(path)
    named = _LIST.fullmatch(path.stem)
    machine = named["machine"] if named else path.parent.name
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row if cell.strip()]
        if kind == "2020" and len(cells) == 1:
            machine = cells[0]
        elif kind == "attributes":
            name = next((name for name in map(_full_name, cells[1:]) if name), None)
            if name:
                yield machine, stem_of(cells[0]), _Known(name.anomalous, name.domain, name.attributes)
        elif cells:
            yield machine, stem_of(cells[0]), _said(kind, cells, number)


def _full_name(cell: str) -> ClipName | None:
    name = read_name(stem_of(cell))
    return name if name and name.anomalous is not None else None


def _said(kind: str | None, cells: list[str], number: int) -> _Known:
    value = cells[-1] if len(cells) > 1 else ""
    if kind == "domain":
        if value not in _DOMAINS:
            raise _TruthError(f"line {number} should be a file name and 0 (source) or 1 (target)")
        return _Known(domain=_DOMAINS[value])
    if value not in {"0", "1"}:
        raise _TruthError(f"line {number} should be a file name and 0 (normal) or 1 (anomaly)")
    return _Known(anomalous=value == "1")
