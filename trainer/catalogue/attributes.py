"""Attributes from the lists that stand beside the recordings of a machine."""

import csv
from pathlib import Path

from trainer.catalogue.clip import Attributes
from trainer.catalogue.names import HIDDEN


def stem_of(name: str) -> str:
    """Lists carry a path with suffix, or a bare stem that may hold dots of its own."""
    file = name.strip().rsplit("/", 1)[-1]
    return file.rsplit(".", 1)[0] if file.lower().endswith((".wav", ".flac")) else file


def read_attributes(machine_dir: Path, problems: list[str]) -> dict[str, Attributes]:
    """Attributes by file stem from `attributes_*.csv`, whose columns are file_name,d1p,d1v,d2p,d2v and so on."""
    found: dict[str, Attributes] = {}
    for path in sorted(machine_dir.glob("attributes_*.csv")):
        try:
            rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            problems.append(f"{path} cannot be read as a list of attributes: {error}")
            continue
        if not rows or not rows[0] or rows[0][0] != "file_name":
            problems.append(f"{path} does not begin with the column file_name, so its attributes were not read")
            continue
        for row in rows[1:]:
            if row:
                pairs = zip(row[1::2], row[2::2], strict=False)
                found[stem_of(row[0])] = tuple(
                    (key, value) for key, value in pairs if key and value and value != HIDDEN
                )
    return found
