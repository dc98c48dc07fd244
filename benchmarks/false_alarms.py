"""False alarms on simulated normal sound that nothing was fitted to, against the number asked for.

python benchmarks/false_alarms.py [--machines TYPE ...] [--fit MINUTES] [--hear MINUTES] [--commissioned SEEDS]
    [--json FILE]

For each machine type ten references of ten seconds are enrolled with the bundle builtin:demo. Thresholds come from the
references alone, each left out in turn, and from minutes of normal sound held out for the calibration (`asdstream
calibrate`), however few they are. Both then hear further normal minutes of the same machine, hop 2 s, and every cluster
of windows of which 3 of 5 lie over the threshold is an alarm; two are apart where five windows are not. Every
recording has its own seed, so its own levels and background. Rates are chosen so that alarms can be counted within
minutes; how far rarer ones hold is tested on series of known tails (tests/scoring/test_scoring_alarm_calibration.py).

With --commissioned the references and the threshold are instead those that a machine makes of itself, as a channel with
`commissioning` does: so many machines of each type are listened to, and then heard on, each in one unbroken sound.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asdstream import atomic, bundle
from asdstream.audio.simulator import MachineSpec, Simulator
from asdstream.audio.window import WINDOW_SECONDS
from asdstream.audio.windower import windows_of
from asdstream.engine.embedder import Embedder
from asdstream.scoring.alarm_calibration import AlarmCalibration
from asdstream.scoring.alarm_level import alarm_levels
from asdstream.scoring.clusters import cluster_peaks
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.heard_windows import HeardWindows
from asdstream.scoring.leave_one_out import leave_one_out_scores
from asdstream.scoring.lesson import learn
from asdstream.scoring.reference import Reference
from asdstream.scoring.scorer import Scorer

K, N, HOP_S = 3, 5, 2.0
ASKED = (480.0, 240.0, 120.0)
RECORDING_S = 60.0
REFERENCES = 10
IDENTITY = 77
LEARNT_REFERENCES = 16
AT_ONCE = 64
"""Windows that are embedded together."""


def embedded(
    embedder: Embedder, machine_type: str, seeds: range, seconds: float
) -> list[dict[str, NDArray[np.float32]]]:
    """Embeddings by branch of normal recordings of one machine, one for each of `seeds`."""
    found = []
    for seed in seeds:
        samples = Simulator(MachineSpec(machine_type, IDENTITY), seed).render(seconds)
        found.append(embedder.embed_samples(windows_of(samples, HOP_S)))
    return found


def alarms(recordings: list[NDArray[np.float64]], threshold: float) -> int:
    """How many alarms these scores raise."""
    return len(cluster_peaks([alarm_levels(scores, K, N) for scores in recordings], threshold, 5))


def rows_of(embedder: Embedder, machine_type: str, fit: int, hear: int) -> list[dict[str, float | str]]:
    """One row for each rate and source of the threshold."""
    short = embedded(embedder, machine_type, range(REFERENCES), 10.0)
    references = [Reference(f"reference/{i}", vectors) for i, vectors in enumerate(short)]
    heard = embedded(embedder, machine_type, range(100, 100 + fit), RECORDING_S)
    unheard = embedded(embedder, machine_type, range(200, 200 + hear), RECORDING_S)
    rows: list[dict[str, float | str]] = []
    bank = Scorer(machine_type, None, None, FalseAlarmRate(ASKED[0], HOP_S, K, N), references)
    alone = leave_one_out_scores(bank.bank.prototypes, [one.label for one in references])
    fitted = {
        "references": AlarmCalibration.of_windows([] if alone is None else alone, HOP_S, K),
        "held-out sound": AlarmCalibration.of_recordings([bank.score_vectors(found) for found in heard], HOP_S, K, N),
    }
    scores = [bank.score_vectors(found) for found in unheard]
    days = sum(len(one) - N + 1 for one in scores) * HOP_S / 86_400
    for name, calibration in fitted.items():
        for asked in ASKED:
            threshold = calibration.threshold(asked)
            rows.append(
                {
                    "machine_type": machine_type,
                    "threshold_from": name,
                    "looks": calibration.looks,
                    "tail": calibration.tail(asked),
                    "threshold": threshold,
                    "asked_in_the_sound": asked * days,
                    "raised": alarms(scores, threshold),
                    "per_day_asked": asked,
                }
            )
    return rows


def commissioned_rows(
    embedder: Embedder, machine_type: str, seed: int, fit: int, hear: int
) -> list[dict[str, float | str]]:
    """One row for each rate, of a machine that listened to itself for `fit` minutes and is heard for `hear` more."""
    samples = Simulator(MachineSpec(machine_type, IDENTITY + seed), seed).render(60.0 * (fit + hear))
    windows = windows_of(samples, HOP_S)
    parts = [embedder.embed_samples(windows[i : i + AT_ONCE]) for i in range(0, len(windows), AT_ONCE)]
    vectors = {branch: np.concatenate([part[branch] for part in parts]) for branch in parts[0]}
    count = round((60.0 * fit - WINDOW_SECONDS) / HOP_S) + 1
    after = round(60.0 * fit / HOP_S)
    heard = HeardWindows(
        stretch=np.zeros(count, np.int64),
        place=np.arange(count),
        at=HOP_S * np.arange(count, dtype=np.float64),
        hop_s=np.full(count, HOP_S),
        vectors={branch: rows[:count] for branch, rows in vectors.items()},
    )
    lesson = learn(heard, LEARNT_REFERENCES, N)
    runs = [(one, one + 1, None) for one in lesson.references.tolist()] + [(*run, HOP_S) for run in lesson.held_out]
    references = [
        Reference(f"reference/{i}", {branch: rows[first:end] for branch, rows in vectors.items()}, hop_s)
        for i, (first, end, hop_s) in enumerate(runs)
    ]
    days = (len(windows) - after - N + 1) * HOP_S / 86_400
    rows: list[dict[str, float | str]] = []
    for asked in ASKED:
        bank = (scorer := Scorer(machine_type, None, None, FalseAlarmRate(asked, HOP_S, K, N), references)).bank
        assert isinstance(bank.calibration, AlarmCalibration), bank.uncalibrated
        scores = scorer.score_vectors({branch: found[after:] for branch, found in vectors.items()})
        rows.append(
            {
                "machine_type": machine_type,
                "threshold_from": "commissioning",
                "looks": bank.calibration.looks,
                "tail": bank.calibration.tail(asked),
                "threshold": bank.threshold,
                "asked_in_the_sound": asked * days,
                "raised": alarms([scores], bank.threshold),
                "per_day_asked": asked,
                "decided_by": str(bank.decided_by),
                "left_out": sum(one.windows for one in lesson.excluded),
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--machines", nargs="+", default=["fan", "pump", "gearbox"], help="machine types")
    parser.add_argument("--fit", type=int, default=18, metavar="MINUTES", help="minutes held out (default 18)")
    parser.add_argument("--hear", type=int, default=18, metavar="MINUTES", help="minutes heard after (default 18)")
    parser.add_argument("--commissioned", type=int, metavar="SEEDS", help="machines of each type that teach themselves")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    embedder = Embedder(bundle.load(bundle.resolve("builtin:demo")), device="cpu", threads=1)
    rows: list[dict[str, float | str]] = []
    heads = ("machine", "threshold from", "looks", "tail", "a day", "asked", "raised", "ratio")
    print("{:<9}{:<16}{:>6}  {:<19}{:>6}{:>7}{:>7}{:>7}".format(*heads))
    found = (
        row
        for machine_type in options.machines
        for row in (
            rows_of(embedder, machine_type, options.fit, options.hear)
            if options.commissioned is None
            else itertools.chain.from_iterable(
                commissioned_rows(embedder, machine_type, seed, options.fit, options.hear)
                for seed in range(options.commissioned)
            )
        )
    )
    for row in found:
        rows.append(row)
        ratio = float(row["raised"]) / float(row["asked_in_the_sound"])
        print(
            f"{row['machine_type']:<9}{row['threshold_from']:<16}{row['looks']:>6.0f}  {row['tail']:<19}"
            f"{row['per_day_asked']:>6.0f}{row['asked_in_the_sound']:>7.1f}{row['raised']:>7}{ratio:>7.2f}",
            flush=True,
        )
    for name in dict.fromkeys(row["threshold_from"] for row in rows):
        for asked in ASKED:
            own = [row for row in rows if row["threshold_from"] == name and row["per_day_asked"] == asked]
            expected, raised = (sum(float(row[key]) for row in own) for key in ("asked_in_the_sound", "raised"))
            ratio = raised / expected
            print(f"{'all':<9}{name:<16}{'':>6}  {'':<19}{asked:>6.0f}{expected:>7.1f}{raised:>7.0f}{ratio:>7.2f}")
    print(f"{time.process_time():.0f} CPU seconds")
    if options.json:
        atomic.write_text(options.json, json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
