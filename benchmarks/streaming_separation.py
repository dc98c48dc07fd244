"""How far streaming separation is from separating every whole window, and what it costs, for several contexts.

python benchmarks/streaming_separation.py --separator FILE [--data FOLDER] [--quick] [--json FILE] [--figure FILE.svg]

FILE holds the weights of a tiny TF-GridNet, as the trainer's stage `separators` writes them. Streams of 22 s go by at a
hop of 1 s; the last three windows, of which every second was separated as a chunk, are compared with the same windows
separated whole: SI-SDR against the whole-window estimate, anomaly score (distance to the nearest of five windows of
the same machine, healthy and separated whole, by the encoder of the demonstration's bundle), and processor time. What
two whole windows, one hop apart, make of the sound they share is given beside it: whole-window separation agrees with
itself no further than that.

The streams are simulated machines, healthy and faulty, in a factory's noise. With --data they are also recordings laid
out as machine/{normal,anomalous}/*.flac with noise/*.flac below FOLDER, joined to 22 s and mixed at 3 dB.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
import torch
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray
from safetensors.torch import load_file

from asdstream import atomic, bundle
from asdstream.audio.simulator import Fault, MachineSpec, Simulator
from asdstream.audio.windower import windows_of
from asdstream.bench.machine import processor_name
from asdstream.engine.embedder import Embedder
from asdstream.engine.stream_separation import FADE, LEFT, RIGHT, StreamSeparation
from asdstream.engine.stream_window import StreamWindow
from asdstream.models.hybrid_loss import si_snr
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig
from trainer.mixing import mix_at_snr

Sound = NDArray[np.float32]
RATE, WINDOW = 16_000, 160_000
SECONDS = 22
FIRST = 10
"""The first window of which no sample was separated as part of a whole window."""
SNR_DB = 3.0
SIMULATED = (("fan", "imbalance"), ("pump", "cavitation"), ("valve", "leak"))
REFERENCES = 5
AT_LEAST = FADE / RATE
CONTEXTS = [(left, RIGHT / RATE) for left in (0.0, 0.25, 0.5, 1.0, 2.0)] + [
    (LEFT / RATE, right) for right in (AT_LEAST, 0.25, 1.0)
]


class Timed:
    """A separator that counts its processor time; `alone` hides from it what lies before a chunk."""

    def __init__(self, network: TFGridNet) -> None:
        self._network = network
        self.alone = False
        self.seconds: list[float] = []

    def separate(self, samples: Sound, _machine_type: str, begin: int = 0) -> Sound:
        begun = time.process_time()
        if self.alone:
            samples, begin = samples[:, begin:], 0
        with torch.inference_mode():
            made = self._network(torch.from_numpy(np.array(samples)), begin)[:, 0].numpy()
        self.seconds.append(time.process_time() - begun)
        return made

    def whole(self, window: Sound) -> Sound:
        return self.separate(window[None], "")[0]


@dataclass(frozen=True)
class Measured:
    """One context on one stream: means over its windows; times are seconds, contexts too."""

    stream: str
    left: float
    right: float
    alone: bool
    si_sdr: float
    score_change: float
    cost: float


@dataclass(frozen=True)
class Natural:
    """One stream separated whole: how far two windows one hop apart agree, and the scores."""

    stream: str
    si_sdr: float
    score_change: float
    score: float
    separated_s: float


def simulated(quick: bool) -> Iterator[tuple[str, Sound, Sound]]:
    """Name, stream, and healthy sound to compare with, of one machine after the other."""
    for machine, fault in SIMULATED[: 2 if quick else None]:
        spec = MachineSpec(machine, snr_db=SNR_DB)
        references = Simulator(spec, 100).render(10.0 * REFERENCES)
        yield f"{machine}, simulated", Simulator(spec, 101).render(SECONDS), references
        yield f"{machine} with {fault}, simulated", Simulator(spec, 102).render(SECONDS, Fault(fault)), references


def recorded(root: Path) -> Iterator[tuple[str, Sound, Sound]]:
    """The same, of recordings: the first of a folder are what is compared with, the last the stream."""
    random = np.random.default_rng(0)
    noises = sorted(root.glob("noise/*.flac"))

    def joined(paths: list[Path], seconds: int) -> Sound:
        pieces: list[Sound] = []
        while sum(map(len, pieces)) < seconds * RATE:
            pieces.append(soundfile.read(paths[len(pieces) % len(paths)], dtype="float32")[0])
        sound = np.concatenate(pieces)[: seconds * RATE]
        quiet = [soundfile.read(noises[i], dtype="float32")[0] for i in random.permutation(len(noises))]
        return mix_at_snr(sound, np.resize(np.concatenate(quiet), len(sound)), SNR_DB)

    for machine in sorted(path.parent.name for path in root.glob("*/normal")):
        normal, anomalous = (sorted((root / machine / name).glob("*.flac")) for name in ("normal", "anomalous"))
        references = joined(normal[:REFERENCES], 10 * REFERENCES)
        yield f"{machine}, recorded", joined(normal[REFERENCES:], SECONDS), references
        yield f"{machine}, recorded, anomalous", joined(anomalous, SECONDS), references


def si_sdr(estimate: Sound, reference: Sound) -> float:
    level = float(np.std(reference, dtype=np.float64))
    one, other = (torch.from_numpy(sound.astype(np.float64) / level) for sound in (estimate, reference))
    return float(si_snr(one, other))


def measure(
    name: str,
    sound: Sound,
    references: Sound,
    separator: Timed,
    embedder: Embedder,
    contexts: list[tuple[float, float]],
) -> tuple[Natural, list[Measured]]:
    separator.alone = False
    known = np.stack([separator.whole(window) for window in windows_of(references, 10.0)])
    bank = embedder.embed_samples(known)

    def scores(rows: Sound) -> NDArray[np.float64]:
        vectors = embedder.embed_samples(rows)
        nearest = [(1.0 - vectors[branch] @ bank[branch].T).min(axis=1) for branch in vectors]
        return np.asarray(np.mean(nearest, axis=0), dtype=np.float64)

    windows = windows_of(sound, 1.0)
    places = range(FIRST, len(windows))
    separator.seconds.clear()
    whole = np.stack([separator.whole(windows[i]) for i in places])
    whole_s = float(np.median(separator.seconds))
    expected = scores(whole)
    agreement = [si_sdr(after[:-RATE], before[RATE:]) for before, after in pairwise(whole)]
    natural = Natural(
        name, float(np.mean(agreement)), float(np.abs(np.diff(expected)).mean()), float(expected.mean()), whole_s
    )
    found = []
    for left, right, alone in [*((*context, False) for context in contexts), (LEFT / RATE, RIGHT / RATE, True)]:
        separator.alone = alone
        separator.seconds.clear()
        stream = StreamSeparation(separator, round(left * RATE), round(right * RATE))
        rows = [stream.separate([StreamWindow(0, 0, i * RATE, 0.0, row)], [""])[0] for i, row in enumerate(windows)]
        made = np.stack(rows[FIRST:])
        found.append(
            Measured(
                name,
                left,
                right,
                alone,
                float(np.mean([si_sdr(one, other) for one, other in zip(made, whole, strict=True)])),
                float(np.abs(scores(made) - expected).mean()),
                float(np.median(separator.seconds[1:])) / whole_s,
            )
        )
    return natural, found


def table(natural: list[Natural], measured: list[Measured]) -> str:
    """Medians over the streams, as Markdown; the change of the score in % of the score."""
    of = {one.stream: one for one in natural}
    rows = [
        "| left s | right s | SI-SDR dB, median | lowest | change of the score, median | largest | cost |",
        "|---|---|---|---|---|---|---|",
    ]
    for left, right, alone in dict.fromkeys((one.left, one.right, one.alone) for one in measured):
        these = [one for one in measured if (one.left, one.right, one.alone) == (left, right, alone)]
        distances = [one.si_sdr for one in these]
        changes = [100.0 * one.score_change / of[one.stream].score for one in these]
        cost = 100.0 * float(np.median([one.cost for one in these]))
        rows.append(
            f"| {left:g} | {right:g}{', chunk alone' if alone else ''} | {np.median(distances):.1f} | "
            f"{min(distances):.1f} | {np.median(changes):.1f} % | {max(changes):.1f} % | {cost:.0f} % |"
        )
    distances = [one.si_sdr for one in natural]
    changes = [100.0 * one.score_change / one.score for one in natural]
    rows.append(
        f"| whole windows | one hop apart | {np.median(distances):.1f} | {min(distances):.1f} | "
        f"{np.median(changes):.1f} % | {max(changes):.1f} % | 100 % |"
    )
    return "\n".join(rows)


def draw(path: Path, natural: list[Natural], measured: list[Measured]) -> None:
    """Distance and cost over each of the two contexts, a line for each stream and one for their median."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row", sharex="col")
    sides = (("left", lambda one: one.right == RIGHT / RATE), ("right", lambda one: one.left == LEFT / RATE))
    for column, (side, belongs) in enumerate(sides):
        chosen = [one for one in measured if belongs(one) and not one.alone]
        at = sorted({float(getattr(one, side)) for one in chosen})
        for row, (value, label) in enumerate((("si_sdr", "SI-SDR against whole windows (dB)"), ("cost", "cost (%)"))):
            axes = panels[row, column]
            factor = 100.0 if value == "cost" else 1.0
            lines = [
                [
                    factor
                    * next(getattr(one, value) for one in chosen if one.stream == name and getattr(one, side) == x)
                    for x in at
                ]
                for name in dict.fromkeys(one.stream for one in chosen)
            ]
            for line in lines:
                axes.plot(at, line, color="#b0c4de", linewidth=0.8)
            axes.plot(at, np.median(lines, axis=0), color="#1f4e79", linewidth=1.8, marker="o", markersize=3)
            axes.axvline((LEFT if side == "left" else RIGHT) / RATE, color="#c0504d", linewidth=0.8, linestyle="--")
            if value == "cost":
                axes.axhline(25.0, color="#808080", linewidth=0.8)
                axes.set_xlabel(f"{side} context (s)")
            else:
                apart = float(np.median([one.si_sdr for one in natural]))
                axes.axhline(apart, color="#808080", linewidth=0.8, linestyle=":")
            if column == 0:
                axes.set_ylabel(label)
    panels[0, 0].set_title(f"right context {RIGHT / RATE:g} s")
    panels[0, 1].set_title(f"left context {LEFT / RATE:g} s")
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "asdstream"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    atomic.write_bytes(path, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--separator", type=Path, required=True, help="weights of a tiny TF-GridNet (safetensors)")
    parser.add_argument("--data", type=Path, help="also take recordings from this folder")
    parser.add_argument("--quick", action="store_true", help="two machines and three contexts")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--figure", type=Path, help="draw the curves there, as SVG")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = TFGridNet(TFGridNetConfig.tiny())
    network.load_state_dict(load_file(options.separator))
    separator = Timed(network.eval())
    embedder = Embedder(bundle.load(bundle.resolve("builtin:demo")), device="cpu", precision="float32", threads=1)
    natural: list[Natural] = []
    measured: list[Measured] = []
    contexts = [CONTEXTS[0], CONTEXTS[3], CONTEXTS[-1]] if options.quick else CONTEXTS
    for name, sound, references in [*simulated(options.quick), *(recorded(options.data) if options.data else ())]:
        one, many = measure(name, sound, references, separator, embedder, contexts)
        natural.append(one)
        measured += many
        print(f"{name}: whole {one.separated_s:.2f} s, score {one.score:.4f}", file=sys.stderr, flush=True)
    print(table(natural, measured))
    if options.figure:
        draw(options.figure, natural, measured)
    if options.json:
        facts = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "machine": processor_name(),
            "cores": len(os.sched_getaffinity(0)),
            "whole": [asdict(one) for one in natural],
            "streamed": [asdict(one) for one in measured],
        }
        options.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
