"""What is written down of a measurement of separators."""

import json
from dataclasses import asdict
from pathlib import Path

from asdstream import atomic
from trainer.separation_measure import SNRS_DB, SeparationReport
from trainer.separation_pictures import draw_improvements, draw_spectrograms

CAVEAT = (
    "What is called clean is the recording that noise was mixed into, first ten seconds. Such recordings hold noise of "
    "their own: what a separator takes away of that counts against it, most of all where little noise was added."
)


def separation_table(report: SeparationReport) -> str:
    """Markdown: a row for each machine and condition, median and quartiles for each ratio."""
    lines = [
        "SI-SDR improvement in dB, median (quartiles), by the level of the recording over the noise mixed into it; the "
        "last column is the SI-SDR of what separation makes of the recording itself.",
        "",
        f"| machine | condition | clips | {' | '.join(f'{snr_db:g} dB' for snr_db in SNRS_DB)} | nothing added |",
        "|---|---|---|" + "---|" * (len(SNRS_DB) + 1),
    ]
    for machine, condition in report.groups:
        clips = {one.clip for one in report.improvements if (one.machine, one.condition) == (machine, condition)}
        cells = []
        for snr_db in (*SNRS_DB, None):
            low, middle, high = report.quartiles(machine, condition, snr_db)
            sign = "" if snr_db is None else "+"
            cells.append(f"{middle:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})")
        lines.append(f"| {machine} | {condition} | {len(clips)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", CAVEAT]) + "\n"


def write_separation(folder: Path, report: SeparationReport) -> None:
    """`separation.json`, `separation.md`, `separation.png` and spectrograms of a few clips, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "bundle": report.bundle,
        "bundle_sha256": report.bundle_sha256,
        "seed": report.seed,
        "clips_sha256": report.clips_sha256,
        "noise_sha256": report.noise_sha256,
        "what_is_clean": CAVEAT,
        "si_sdr_improvement_db": [
            {
                "machine": machine,
                "condition": condition,
                "snr_db": snr_db,
                **dict(zip(("first_quartile", "median", "third_quartile"), quartiles, strict=True)),
            }
            for machine, condition in report.groups
            for snr_db in SNRS_DB
            for quartiles in [report.quartiles(machine, condition, snr_db)]
        ],
        "clips": [asdict(one) for one in report.improvements],
    }
    atomic.write_text(folder / "separation.json", json.dumps(content, indent=2) + "\n")
    atomic.write_text(folder / "separation.md", separation_table(report))
    draw_improvements(folder / "separation.png", report)
    for number, example in enumerate(report.examples, start=1):
        draw_spectrograms(folder / f"spectrogram_{number}_{example.machine}.png", example)
